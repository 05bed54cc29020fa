"""Which part of a LeRobot dataset's features is which quantity: controls from actions, states from observations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.importers.columns import Column, choose_columns, in_si, recognise
from training.importers.recording import SIGNAL_NAMES, Origin
from worldsim.datatypes.scene import CONTROL_NAMES

PICTURES = ("video", "image", "string")
_L2D = {"speed": ("speed", "kmh"), "heading": ("yaw", "compass"), "acceleration_x": ("acceleration", "mps2")}
"""The state of Yaak's L2D, whose names tell no units: km/h and degrees clockwise from north, by Yaak's own readers."""
_BUTTONS = ("forward", "backward", "left", "right")


@dataclass(frozen=True)
class Part:
    """One number of a feature."""

    feature: str
    index: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a quantity is the sum of.

    Args:
        column: how the sum is converted.
        terms: parts of features and what each is multiplied by.
        header: what a report calls it.
        one_at_a_time: whether of the terms at most one may be other than 0 at a time.
    """

    column: Column
    terms: tuple[tuple[Part, float], ...]
    header: str
    one_at_a_time: bool = False

    def origin(self, left_handed: bool) -> Origin:
        """What a report says of it."""
        return self.column.origin(self.header, left_handed)


def parts_of(features: Mapping[str, Any]) -> dict[str, Part]:
    """The numbers of a dataset by feature.name, or feature.0, feature.1 where the parts of a feature have no names."""
    parts = {}
    for key, feature in features.items():
        if feature["dtype"] in PICTURES or len(feature["shape"]) != 1:
            continue
        names, size = feature.get("names"), feature["shape"][0]
        if isinstance(names, dict):
            names = [name for group in names.values() for name in (group if isinstance(group, list) else [group])]
        if not names or len(names) != size:
            names = [key.rpartition(".")[2]] if size == 1 else list(range(size))
        parts |= {f"{key}.{name}": Part(key, k) for k, name in enumerate(names)}
    return parts


def choose_sources(parts: Mapping[str, Part], assigned: Sequence[str], where: str) -> dict[str, Source]:
    """The quantities that a dataset holds, each by its source.

    Actions tell controls, observations whatever they are named after; what is assigned goes first, from any feature.

    Args:
        parts: of the dataset, see `parts_of`.
        assigned: see `choose_columns`.
        where: what the parts belong to, for messages.

    Raises:
        ValueError: see `choose_columns`.
    """
    names = {header: header.removeprefix(f"{part.feature}.") for header, part in parts.items()}
    recognised = {header: _recognise(header, part, names[header]) for header, part in parts.items()}
    if _is_l2d(names):
        for header, name in names.items():
            if parts[header].feature == "observation.state.vehicle" and name in _L2D:
                quantity, unit = _L2D[name]
                recognised[header] = recognise(f"{quantity}_{unit}")
    _settle_same_names(recognised, parts, names, assigned, where)

    chosen = choose_columns(recognised, assigned, where)
    sources = {
        column.quantity: Source(column=column, terms=((parts[header], 1.0),), header=header)
        for header, column in chosen.items()
    }
    return _button_sources(parts, names) | sources


def _recognise(header: str, part: Part, name: str) -> Column | None:
    """What a part is by its name, if actions and observations may tell it."""
    column = recognise(name)
    if column is None or column.quantity not in SIGNAL_NAMES:
        return None
    if part.feature.startswith("action"):
        return column if column.quantity in CONTROL_NAMES else None  # a commanded speed is not the speed
    return column if header.startswith("observation.") else None


def _is_l2d(names: Mapping[str, str]) -> bool:
    pedals = {f"action.continuous.{name}_normalized" for name in ("gas_pedal", "brake_pedal", "steering_angle")}
    return pedals | {"observation.state.vehicle.heading"} <= names.keys()


def _settle_same_names(
    recognised: dict[str, Column | None],
    parts: Mapping[str, Part],
    names: Mapping[str, str],
    assigned: Sequence[str],
    where: str,
) -> None:
    """Of a name in both, the action tells a control; a state is then what was commanded too, and not believed."""
    taken = {text.partition("=")[0] for text in assigned}
    commanded = {names[header] for header, part in parts.items() if part.feature.startswith("action")}
    copies, controls = [], {column.quantity for h, column in recognised.items() if column and h.startswith("action")}
    for header, column in recognised.items():
        if column is None or header.startswith("action") or column.quantity in taken:
            continue
        if column.quantity in controls:
            copies.append(f"{column.quantity} from the action, not from {header}")
            recognised[header] = None
        elif names[header] in commanded:
            copies.append(f"no {column.quantity}: {header} is an action too, so perhaps none that was measured")
            recognised[header] = None
    if copies:
        warnings.warn(f"{where}: {'; '.join(copies)} (else assign it)", stacklevel=2)


def _button_sources(parts: Mapping[str, Part], names: Mapping[str, str]) -> dict[str, Source]:
    """Controls of cars that are steered by four keys, from the first action that has them all."""
    for feature in dict.fromkeys(part.feature for part in parts.values() if part.feature.startswith("action")):
        of = {names[h].lower(): part for h, part in parts.items() if part.feature == feature}
        of = {name: part for name, part in of.items() if name in _BUTTONS}
        if len(of) == len(_BUTTONS):
            terms = {
                "steer": ((of["left"], 1.0), (of["right"], -1.0)),
                "throttle": ((of["forward"], 1.0), (of["backward"], 1.0)),
                "reverse": ((of["backward"], 1.0),),
            }
            headers = {"steer": "left - right", "throttle": "forward + backward", "reverse": "backward"}
            return {
                name: Source(
                    column=replace(in_si(name), positive_left=True),
                    terms=terms[name],
                    header=f"{feature}: {headers[name]}",
                    one_at_a_time=name == "throttle",
                )
                for name in terms
            }
    return {}


def choose_camera(features: Mapping[str, Any], camera: str | None, where: str) -> str | None:
    """The feature of the pictures: a video, or images in the tables; None where there are none.

    Args:
        features: of the dataset.
        camera: its name; None for the only one, or else the only one with "front" in its name.
        where: for messages.

    Raises:
        ValueError: there is no such camera, or more than one to choose from.
    """
    kinds = {key: feature["dtype"] for key, feature in features.items() if feature["dtype"] in ("video", "image")}
    cameras = [key for key in kinds if not _is_depth(features[key])]
    if camera is not None:
        if camera not in cameras:
            raise ValueError(f"{where} has no camera {camera!r}; it has {', '.join(cameras) or 'none'}")
        return camera
    fronts = cameras if len(cameras) < 2 else [key for key in cameras if "front" in key]
    if cameras and len(fronts) != 1:
        raise ValueError(f"{where} has the cameras {', '.join(cameras)}; choose one by --camera")
    return fronts[0] if fronts else None


def _is_depth(feature: Mapping[str, Any]) -> bool:
    info = feature.get("info") or {}
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map") or "classes" in info)


def values_of(source: Source, columns: Mapping[str, np.ndarray], place: Callable[[int], str]) -> np.ndarray:
    """The sum [n] that a source is, before its conversion.

    Args:
        source: the quantity's.
        columns: the features' values [n, d].
        place: where the value of an index stands, for messages.

    Raises:
        ValueError: terms of which one at a time may be held are held together; names place and values.
    """
    terms = np.stack([factor * columns[part.feature][:, part.index] for part, factor in source.terms])
    together = np.flatnonzero((np.nan_to_num(terms) != 0).sum(axis=0) > 1)
    if source.one_at_a_time and len(together):
        k, quantity = int(together[0]), source.column.quantity
        raise ValueError(
            f"{place(k)}: {source.header} are {' and '.join(f'{value:g}' for value in terms[:, k])}, held together; "
            f"right would be one at a time: mend these {len(together)} rows, or assign {quantity}=COLUMN"
        )
    return terms.sum(axis=0)

"""The last lines of an import: of every quantity its column, unit and known share; then what is implausible."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from training.data import lerobot_layout as layout
from training.data.rollouts import RolloutDataset, Rows
from training.importers.plausibility import implausibilities
from training.importers.recording import Origin, Recording
from training.importers.resample import DERIVED, ResampleConfig, episode_times, pieces
from worldsim.datatypes.scene import EGO_NAMES

_NUMBER = re.compile(r"-?\d[\d.]*")


def known_shares(dataset: RolloutDataset) -> dict[str, float]:
    """In what share of its rows each quantity is known, 0 to 1."""
    rows = Rows.concatenate([dataset[k].rows for k in range(len(dataset))])
    scenes = rows.scenes
    known = {name: float(rows.is_valid(name).mean()) for name in layout.VALID_NAMES}
    known["yaw_rate"] = float(scenes.ego_valid[:, EGO_NAMES.index("yaw_rate")].mean())
    known["lane"] = float(scenes.lane_valid.mean())
    known["route"] = float(scenes.route_valid.mean())
    return known


def report(dataset: RolloutDataset, recordings: Sequence[Recording], config: ResampleConfig) -> str:
    """A line for each quantity that is known anywhere, one for the others, and one for each that is implausible.

    Args:
        dataset: the recordings, imported.
        recordings: what they were.
        config: how they were resampled.
    """
    shares = known_shares(dataset)
    lines = [f"{dataset.root}: {len(dataset)} episodes, {dataset.lengths.sum()} frames; known of them:"]
    lines += [
        f"  {share:6.1%}  {name:<13} {_told(name, recordings)}"
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
        if share
    ]
    lines.append(f"  unknown: {', '.join(name for name, share in shares.items() if not share)}")
    unread = list(dict.fromkeys(header for r in recordings for header in r.unread))
    lines += [f"  not read: {_first(unread, 12, ', ')}"] if unread else []
    times = _joined([r.origins.get("time") for r in recordings])
    lines += [f"  times: {times}"] if times else []
    return "\n".join([*lines, *(f"  look at this: {text}" for text in _doubts(shares, recordings, config))])


def _doubts(shares: dict[str, float], recordings: Sequence[Recording], config: ResampleConfig) -> list[str]:
    """What is implausible, said once for recordings that share it."""
    found: dict[str, tuple[str, list[str]]] = {}  # by the sentence without its numbers, which differ
    for recording in recordings:
        texts = [f"{n} was recorded, but at no time of a frame" for n in recording.signals if not shares.get(n)]
        for text in (*texts, *_gaps(recording, config), *implausibilities(recording, config)):
            found.setdefault(_NUMBER.sub("#", text), (text, []))[1].append(recording.name)
    if len(recordings) == 1:
        return [text for text, _ in found.values()]
    return [f"{text} ({_first(names, 1, ' and ')})" for text, names in found.values()]


def _gaps(recording: Recording, config: ResampleConfig) -> list[str]:
    """Where its clock jumps, and how much is left out for that."""
    jumps = np.diff(recording.clock)
    count = int((jumps > config.max_gap).sum())
    if not count:
        return []
    most = int(jumps.argmax())
    origin = recording.origins.get("time")
    text = (
        f"the times{f' ({origin.source})' if origin else ''} rise by more than {config.max_gap:g} s at {count} "
        f"place{'s' if count > 1 else ''}, most by {jumps[most]:.6g} s after {recording.clock[most]:.12g} s: episodes "
        "are cut there"
    )
    parts = pieces(recording.clock, config.max_gap)
    whole = [part[-1] - part[0] for part in parts]
    kept = [sum(map(len, episode_times(part, config))) / config.fps for part in parts]
    lost = sum(max(0.0, a - b) for a, b in zip(whole, kept, strict=True))
    if lost > config.min_seconds:
        text += f"; {lost:.3g} of {sum(whole):.4g} s are in pieces under {config.min_seconds:g} s and left out"
    return [text]


def _told(name: str, recordings: Sequence[Recording]) -> str:
    """Where a quantity comes from, in which unit."""
    origins = [r.origins.get(name) or (_derived(name, r) if name not in r.signals else None) for r in recordings]
    return _joined(origins)


def _derived(name: str, recording: Recording) -> Origin | None:
    return Origin(f"worked out from {DERIVED[name]}") if name in DERIVED else None


def _joined(origins: Sequence[Origin | None]) -> str:
    """Origins, each once."""
    texts = dict.fromkeys(f"{o.source} [{o.unit}]" if o.unit else o.source for o in origins if o is not None)
    return _first(list(texts), 3, "; ")


def _first(texts: Sequence[str], count: int, mark: str) -> str:
    """The first of many texts, and how many more there are."""
    return mark.join([*texts[:count], *([f"{len(texts) - count} more"] if len(texts) > count else [])])

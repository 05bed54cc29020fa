"""Changes to a clip that keep image, control and truth consistent: mirrored roads, other light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.data.rollouts import Rows
from worldsim.datatypes.scene import CONTROL_NAMES, EGO_NAMES, LANE_NAMES, OBJECT_NAMES, RouteCommand, SceneState
from worldsim.datatypes.vehicle import VEHICLE_NAMES

_SIDES = np.arange(len(RouteCommand))
_SIDES[[RouteCommand.LEFT, RouteCommand.RIGHT]] = RouteCommand.RIGHT, RouteCommand.LEFT


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Consecutive frames of one episode and what belongs to them.

    Args:
        frames: uint8 [t, h, w, 3].
        rows: [t].
    """

    frames: np.ndarray
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How clips are changed; each clip in one way throughout.

    Args:
        mirror: probability that left and right are exchanged. The road then has its traffic on the other side.
        brightness: factor up to 1 ± this.
        contrast: factor about mid-grey up to 1 ± this.
        saturation: factor about each pixel's grey up to 1 ± this.

    Raises:
        ValueError: a value is out of [0, 1].
    """

    mirror: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.15
    saturation: float = 0.2

    def __post_init__(self) -> None:
        for name in ("mirror", "brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")


def augment(clip: Clip, config: AugmentConfig, rng: np.random.Generator) -> Clip:
    """The clip, perhaps mirrored, in another light; a function of `rng`'s state alone."""
    mirrored = rng.random() < config.mirror
    brightness, contrast, saturation = (
        1 + rng.uniform(-s, s) for s in (config.brightness, config.contrast, config.saturation)
    )
    if mirrored:
        clip = mirror(clip)
    return replace(clip, frames=relight(clip.frames, brightness, contrast, saturation))


def mirror(clip: Clip) -> Clip:
    """The clip seen in a mirror: what was left is right, in the images, the controls, the motion and the scene."""
    rows = clip.rows
    scenes = rows.scenes
    mirrored = replace(
        rows,
        controls=_negate(rows.controls, CONTROL_NAMES, ("steer",)),
        vehicles=_negate(rows.vehicles, VEHICLE_NAMES, ("y", "yaw", "steer_angle")),
        scenes=SceneState(
            **scenes.arrays()
            | {
                "ego": _negate(scenes.ego, EGO_NAMES, ("yaw_rate", "steer_angle")),
                "lane": _negate(scenes.lane, LANE_NAMES, ("lateral_offset", "heading_error")),
                "route": _negate(scenes.route, ("x", "y"), ("y",)),
                "objects": _negate(scenes.objects, OBJECT_NAMES, ("y", "yaw")),
                "command": _SIDES[scenes.command],
            }
        ),
    )
    return Clip(frames=np.ascontiguousarray(clip.frames[:, :, ::-1]), rows=mirrored)


def relight(frames: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """Frames, uint8 [t, h, w, 3], with the three factors applied; 1 changes nothing."""
    x = frames.astype(np.float32)
    grey = x.mean(axis=-1, keepdims=True)
    x = grey + saturation * (x - grey)
    x = brightness * (127.5 + contrast * (x - 127.5))
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def _negate(values: np.ndarray, names: tuple[str, ...], negated: tuple[str, ...]) -> np.ndarray:
    """A copy of values [..., d] with the named parts negated."""
    signs = np.array([-1 if name in negated else 1 for name in names], values.dtype)
    return values * signs

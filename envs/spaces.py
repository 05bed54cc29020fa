"""The spaces every driving env shares, and what an observation is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from gymnasium.spaces import Box, Dict, Space

from envs.features import FEATURE_BOUND, NUM_FEATURES, features
from envs.world import SensorWorld, World, WorldStep
from worldsim.datatypes.scene import SCENE_LAYOUT, SCENE_SIZE, ObjectKind, RouteCommand
from worldsim.datatypes.signals import SIGNAL_BEHIND, SIGNAL_RANGE, SignalKind
from worldsim.gbuffer.classes import SENSOR_NAMES, SemanticClass

ObservationMode = Literal["pixels", "state", "both", "features", "latent"]
"""What the env shows: the frame, the SceneState as a vector, a dict of both, a few scaled numbers of the SceneState
(`envs.features`), or the learned world's latent."""

_FAR, _FAST, _TURNED, _LONG = 1000.0, 100.0, 4.0, 100.0
"""Bounds of distances from the route [m], speeds [m/s], angles [rad], sizes and gaps [m]; nothing real comes near."""
_STATE_BOUNDS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ego": ((-_FAST, -_FAST, -20.0, -2.0), (_FAST, _FAST, 20.0, 2.0)),
    "lane": ((-_FAR, -_TURNED, 0.0, 0.0), (_FAR, _TURNED, _LONG, _FAST)),
    "route": ((-_FAR,), (_FAR,)),
    "lead": ((0.0, -_FAST), (_LONG, _FAST)),
    "command": ((0.0,), (float(max(RouteCommand)),)),
    "objects": ((-_LONG, -_LONG, -_TURNED, -_FAST, 0.0, 0.0), (_LONG, _LONG, _TURNED, _FAST, _LONG, _LONG)),
    "object_kinds": ((0.0,), (float(max(ObjectKind)),)),
    "ego_valid": ((0.0,), (1.0,)),
    "lane_valid": ((0.0,), (1.0,)),
    "route_valid": ((0.0,), (1.0,)),
    "lead_valid": ((0.0,), (1.0,)),
    "signal": ((0.0,), (float(max(SignalKind)),)),
    "signal_distance": ((-SIGNAL_BEHIND,), (SIGNAL_RANGE,)),
    "signal_valid": ((0.0,), (1.0,)),
}


def shows_pixels(mode: ObservationMode) -> bool:
    """Whether observations of that mode hold frames."""
    return mode in ("pixels", "both")


def action_space() -> Box:
    """Steer (positive left) and acceleration (negative brakes), both in [-1, 1], float32."""
    return Box(-1.0, 1.0, (2,), np.float32)


def state_space() -> Box:
    """SceneState as a vector, float32 [SCENE_SIZE]: SCENE_LAYOUT, SI units, with the bounds of each value."""
    low, high = np.zeros(SCENE_SIZE, np.float32), np.zeros(SCENE_SIZE, np.float32)
    for name, part in SCENE_LAYOUT.items():
        size = part.stop - part.start
        low[part], high[part] = (np.resize(bound, size) for bound in _STATE_BOUNDS[name])
    return Box(low, high, dtype=np.float32)


def sensor_space(name: str, frame_size: tuple[int, int]) -> Box:
    """Of one of SENSOR_NAMES: depth float16 [h, w] [m], or SemanticClass uint8 [h, w], at the camera's frame size."""
    if name == "depth":
        return Box(0.0, np.inf, frame_size, np.float16)
    return Box(0, max(SemanticClass), frame_size, np.uint8)


class Observer:
    """Turns a world's answers into observations of one mode. Frames are made in modes that show them alone.

    Attributes:
        space: of the observations.

    Args:
        world: whose answers.
        mode: what is shown.
        extra: what more the camera tells, of SENSOR_NAMES. The observation is then a dict: what the mode shows by the
            mode's name, or as "both" has it, and these by theirs.

    Raises:
        ValueError: an unknown mode, "latent" in a world without latents, or an extra that the world cannot give.
    """

    def __init__(self, world: World, mode: ObservationMode, extra: Sequence[str] = ()) -> None:
        if mode not in get_args(ObservationMode):
            raise ValueError(f"obs must be one of {', '.join(get_args(ObservationMode))}, got {mode!r}")
        self.mode: ObservationMode = mode
        self._world = world
        self._state = state_space()
        pixels = Box(0, 255, (*world.frame_size, 3), np.uint8)
        self.space: Space[Any]
        if mode == "latent":
            if world.latent_space is None:
                raise ValueError("obs='latent' needs the learned world: this one has no latents")
            self._latent = self.space = world.latent_space
        elif mode == "features":
            self.space = Box(-FEATURE_BOUND, FEATURE_BOUND, (NUM_FEATURES,), np.float32)
        elif mode == "both":
            self.space = Dict({"pixels": pixels, "state": self._state})
        else:
            self.space = pixels if mode == "pixels" else self._state
        self.extra = _check_extra(world, extra)
        if self.extra:
            shown = dict(self.space.spaces) if isinstance(self.space, Dict) else {mode: self.space}
            self.space = Dict({**shown, **{name: sensor_space(name, world.frame_size) for name in self.extra}})

    def __call__(self, step: WorldStep, state: np.ndarray) -> Any:
        """The observation of `step`, the world's newest; values beyond their bounds are clipped to them.

        Args:
            step: what the world answered.
            state: the vector of its scene.
        """
        if not self.extra:
            return self._shown(step, state)
        assert isinstance(self._world, SensorWorld), "checked when made"
        pictures = self._world.sensor_frames(self.extra)
        shown = self._shown(step, state)
        return {**(shown if isinstance(shown, dict) else {self.mode: shown}), **pictures}

    def _shown(self, step: WorldStep, state: np.ndarray) -> Any:
        """What the mode shows."""
        if self.mode == "pixels":
            return self._world.frame()
        if self.mode == "latent":
            assert step.latent is not None
            return np.clip(step.latent, self._latent.low, self._latent.high)
        if self.mode == "features":
            return features(step.scene)
        state = np.minimum(np.maximum(state, self._state.low), self._state.high)
        return state if self.mode == "state" else {"pixels": self._world.frame(), "state": state}


def _check_extra(world: World, extra: Sequence[str]) -> tuple[str, ...]:
    """The extra pictures asked for, which there must be, and which the world must be able to give."""
    if isinstance(extra, str):
        raise ValueError(f"extra_obs is a sequence of names, got the string {extra!r}: write ({extra!r},)")
    for name in extra:
        if name not in SENSOR_NAMES:
            raise ValueError(f"extra_obs may hold {' and '.join(SENSOR_NAMES)}, got {name!r}")
    can = world.sensor_names if isinstance(world, SensorWorld) else ()
    missing = [name for name in extra if name not in can]
    if missing:
        raise ValueError(f"a {type(world).__name__} shows no {' and no '.join(missing)}: leave it out of extra_obs")
    return tuple(dict.fromkeys(extra))

"""ObservedWorld: the world of which only observations come, as the env that a policy of ours is reset with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from gymnasium.spaces import Box

from envs.world import WorldStep
from policies.alpasim.observations import Observation
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import CONTROL_NAMES, SceneState
from worldsim.datatypes.start_clip import NO_FRAME, StartClip


class ObservedWorld:
    """A world that someone else drives. It has a start clip, whose past instants hold pictures and nothing else.

    Attributes:
        frame_size: height and width of frames [px]; 0 without a camera.
        dt: between observations [s].
        latent_space: None.

    Args:
        dt: between observations [s].
    """

    latent_space: Box | None = None

    def __init__(self, dt: float) -> None:
        self.dt, self.frame_size = dt, (0, 0)
        self._frames, self._observation = NO_FRAME[None], None

    def observe(self, observation: Observation, frames: np.ndarray) -> None:
        """What is known now, and the frames up to now, uint8 [n, h, w, 3]."""
        self._observation, self._frames = observation, frames
        self.frame_size = (frames.shape[1], frames.shape[2])

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """Never: the world is someone else's."""
        self._refuse("reset")

    def step(self, control: np.ndarray) -> WorldStep:
        """Never: the world is someone else's."""
        self._refuse("stepped")

    def frame(self) -> np.ndarray:
        """The newest frame, RGB uint8 [h, w, 3]."""
        return self._frames[-1].copy()

    def start_clip(self, *, pictures: bool = True) -> StartClip:
        """The past as far as it is known, with the route ahead."""
        now, num = self._observation, len(self._frames) if pictures else 1
        assert now is not None
        scenes = [*[SceneState.empty()] * (num - 1), now.scene()]
        return StartClip(
            frames=self._frames if pictures else NO_FRAME[None],
            controls=np.zeros((num - 1, len(CONTROL_NAMES)), np.float32),
            vehicles=np.repeat(now.vehicle[None], num, axis=0),
            scenes=SceneState.stack(scenes),
            route=now.route_ahead().astype(np.float32),
            dt=self.dt,
        )

    def layout(self) -> Layout:
        """Of which nothing is known."""
        return Layout.unknown()

    def close(self) -> None:
        """Nothing is held."""

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"the world of a driver of AlpaSim's cannot be {what}: whoever asks for plans drives it")

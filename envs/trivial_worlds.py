"""Trivial worlds: they go on from a start clip and have learned nothing, so that whatever they get right takes no
learned world. State-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from envs.driving_env import DrivingEnv
from envs.history import Instant, clip_of
from envs.learned.tracked_answers import (
    distance_along_lane,
    heads_wrong_way,
    past_of,
    route_done,
    tracked_clip,
)
from envs.reset_options import read_reset_options
from envs.world import WorldStep
from worldsim.actors.moves_actors import HeldVelocities
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import EgoColumn, SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.scene_tracker import SceneTracker, TrackedState
from worldsim.tracked_scene import TrackedScene

TRIVIAL_WORLDS: Mapping[str, str] = {
    "repeated": "Last scene repeated",
    "standing": "Others stand",
    "constant_velocity": "Others at constant velocity",
}
"""Name to title. All move the ego by the vehicle model of the learned world. "repeated" shows what the start's last
frame showed for ever; the others know the road that the start tells, its lights included, and none of the scripts by
which a case's actors move."""


@dataclass(frozen=True, kw_only=True)
class TrivialSnapshot:
    """All a TrivialWorld needs to go on; none is written to."""

    start: StartClip
    tracked: TrackedState
    past: tuple[Instant, ...]


class TrivialWorld:
    """A world that knows the ego's vehicle model, and what a start clip tells.

    reset options:
        start_clip: a StartClip to go on from; needed.
        scripted_actors: taken and passed over. Those that the clip shows stay, the others never come.

    Args:
        name: of TRIVIAL_WORLDS.

    Raises:
        ValueError: there is no such world.
    """

    def __init__(self, name: str) -> None:
        if name not in TRIVIAL_WORLDS:
            raise ValueError(f"no trivial world is named {name!r}; there are {', '.join(TRIVIAL_WORLDS)}")
        config = WorldModelConfig()
        self.name = name
        self.frame_size, self.dt = config.frame_size, config.dt
        self.latent_space: Box | None = None
        self._model = config.vehicle
        self._tracker = SceneTracker(config, HeldVelocities(dt=config.dt, standing=name == "standing"))
        self._now: TrivialSnapshot | None = None

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """Begin from a start clip; the world's answer is the clip's newest instant. The seed changes nothing.

        Raises:
            ValueError: an unknown option, no start clip, or one of another time step.
        """
        options = read_reset_options(
            options, known=("start_clip", "scripted_actors"), world=f"the trivial world {self.name!r}", renamed={}
        )
        clip: StartClip | None = options.get("start_clip")
        if clip is None:
            raise ValueError("a trivial world has no starts of its own: pass options={'start_clip': clip}")
        if not np.isclose(clip.dt, self.dt):
            raise ValueError(f"the clip's time step must be {self.dt:g} s, got {clip.dt:g} s")
        tracked = self._tracker.begin([clip], [seed])
        scene = self._tracker.read(tracked)
        past = past_of(clip, pictures=False)
        past = (*past[:-1], replace(past[-1], scene=scene.scene[0].copy()))
        self._now = TrivialSnapshot(start=clip, tracked=tracked, past=past)
        return self._answer(scene, progress=0.0, begins=True)

    def step(self, control: np.ndarray) -> WorldStep:
        """Move on by a step under control float32 [4] (CONTROL_NAMES).

        Raises:
            ValueError: the control is not finite.
        """
        now, control = self._running(), np.asarray(control, np.float32)
        if control.shape != (4,) or not np.isfinite(control).all():
            raise ValueError(f"a control must be finite and [4], got {control}")

        if self.name == "repeated":
            vehicle = self._model.step(now.tracked.vehicles[0], control, self.dt)
            tracked = replace(now.tracked, vehicles=vehicle[None])
            shown, scene = None, self._repeat(now.past[-1].scene, vehicle)
        else:
            tracked = self._tracker.step(now.tracked, control[None])
            shown = self._tracker.read(tracked)
            vehicle, scene = tracked.vehicles[0], shown.scene[0].copy()

        instant = Instant(control=control, vehicle=vehicle, scene=scene)
        past = (*now.past, instant)[-len(now.start.vehicles) :]
        self._now = TrivialSnapshot(start=now.start, tracked=tracked, past=past)
        return self._answer(
            shown, progress=distance_along_lane(scene, float(vehicle[VehicleColumn.SPEED]), self.dt), begins=False
        )

    def frame(self) -> np.ndarray:
        """There are none.

        Raises:
            ValueError: always.
        """
        raise ValueError("a trivial world is state-only and shows no frames")

    def start_clip(self, *, pictures: bool = True) -> StartClip:
        """The last context frames, without pictures whatever is asked for."""
        now = self._running()
        if self.name == "repeated":  # the road goes along with the ego, so that there is no ground to tell of
            route, lanes, signals = now.start.route, now.start.lanes, now.start.signals
            nothing = Layout.unknown()
            return clip_of(now.past, None, route, self.dt, lanes, signals, layout=nothing, pictures=False)
        return tracked_clip(now.tracked, now.past, self.dt, now.start.partner_path, pictures=False)

    def layout(self) -> Layout:
        """That of the start clip, around its route; unknown where its last scene is repeated."""
        return Layout.unknown() if self.name == "repeated" else self._running().start.layout

    def snapshot(self) -> TrivialSnapshot:
        """The whole state; later steps never change it."""
        return self._running()

    def restore(self, snapshot: TrivialSnapshot) -> None:
        """Continue exactly from a snapshot of a world of the same name."""
        self._now = snapshot

    def close(self) -> None:
        """Forget the state."""
        self._now = None

    def _running(self) -> TrivialSnapshot:
        if self._now is None:
            raise ValueError("the world has no state yet: call reset first")
        return self._now

    def _repeat(self, scene: SceneState, vehicle: np.ndarray) -> SceneState:
        """The same scene with the ego's own motion."""
        repeated = scene.copy()
        repeated.ego[EgoColumn.SPEED] = vehicle[VehicleColumn.SPEED]
        repeated.ego[EgoColumn.ACCELERATION] = vehicle[VehicleColumn.ACCELERATION]
        repeated.ego[EgoColumn.YAW_RATE] = self._model.yaw_rate(vehicle)
        repeated.ego[EgoColumn.STEER_ANGLE] = vehicle[VehicleColumn.STEER_ANGLE]
        return repeated

    def _answer(self, shown: TrackedScene | None, *, progress: float, begins: bool) -> WorldStep:
        """Of the newest instant. A start is given as good: nothing is hit in it; nor is it where it is repeated, in
        which `shown` is None."""
        tracked, now = self._running().tracked, self._running().past[-1]
        judged = None if begins else shown
        return WorldStep(
            scene=now.scene.copy(),
            vehicle=now.vehicle.copy(),
            collision=0.0 if judged is None else float(judged.collision[0]),
            off_road=0.0 if judged is None else _off_road(judged),
            wrong_way=heads_wrong_way(now.scene),
            red_light=judged is not None and bool(judged.red_light[0]),
            stop_sign_missed=judged is not None and bool(judged.stop_sign_missed[0]),
            progress=progress,
            info={},
            route_done=judged is not None and route_done(tracked, 0),
        )


def _off_road(shown: TrackedScene) -> float:
    """Probability that a wheel of a single drive's ego has left the road, beside its lane where edges are unknown."""
    return float(shown.off_road[0]) if np.isfinite(shown.off_road[0]) else float(shown.off_lane[0])


def make_trivial_env(name: str) -> DrivingEnv:
    """The env of a trivial world, which observes the state."""
    return DrivingEnv(TrivialWorld(name), obs="state")

"""How well traffic flows: minutes of drives in which road users may collide with each other, or stand for ever.

The lane follower drives without pictures: in the learned world, in the reference world from the same starts, and on
endless drives of the learned world.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.road.static_scene import load_town_scene
from envs.road.traffic.lights import LightPrograms
from envs.signals_ahead import rows_along
from policies.rule_based import LaneFollower
from training.evaluation.clip_routes import on_route
from training.evaluation.closed_loop import follow_lane
from training.evaluation.sim_agents import JUMP, REACH
from worldsim.actors.actors import ActorColumn, TraitColumn
from worldsim.actors.clip_actors import LEAVE_BEHIND
from worldsim.datatypes.boxes import separation
from worldsim.datatypes.scene import BOX_COLUMNS, ObjectKind, control_from_action
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.world_model import WorldModel

EVERY = 5
"""Road users are looked at in one of so many steps."""
STANDS = 0.3
"""Slower vehicles wait [m/s]."""
LONG_WAIT = 60.0
"""No light is red for as long [s]."""
TOUCH = -0.05
"""Two whose separation is less have collided [m]."""
FASTEST = 11.0
"""Mean speed for which a route is long enough [m/s]."""
LANE_TRIES = 20
"""Seeds tried in a town for a start in a lane, outside junctions."""


class TrafficWatch:
    """Counts who collides, and who waits how long, in one drive. Pedestrians count where a vehicle touches them; those
    who touch each other when the drive begins do not."""

    def __init__(self) -> None:
        self.vehicle_seconds = 0.0
        self.hits: set[tuple[int, int]] = set()
        self.longest_waits: dict[int, float] = {}
        self._waits: dict[int, float] = {}
        self._begun_in_contact: set[tuple[int, int]] | None = None

    def see(self, ids: Sequence[int], kinds: np.ndarray, boxes: np.ndarray, speeds: np.ndarray, seconds: float) -> None:
        """Look at everybody.

        Args:
            ids: who they are.
            kinds: ObjectKind [n].
            boxes: [n, 5].
            speeds: [n] [m/s].
            seconds: since the last look.
        """
        is_vehicle = np.isin(kinds, (ObjectKind.CAR, ObjectKind.TRUCK))
        self.vehicle_seconds += seconds * int(is_vehicle.sum())
        for number, speed in zip(np.asarray(ids)[is_vehicle].tolist(), speeds[is_vehicle].tolist(), strict=True):
            self._waits[number] = self._waits.get(number, 0.0) + seconds if speed < STANDS else 0.0
            self.longest_waits[number] = max(self.longest_waits.get(number, 0.0), self._waits[number])

        touch = np.triu(separation(boxes[:, None], boxes[None]) < TOUCH, 1) & (is_vehicle[:, None] | is_vehicle)
        pairs = {(min(ids[a], ids[b]), max(ids[a], ids[b])) for a, b in zip(*np.nonzero(touch), strict=True)}
        if self._begun_in_contact is None:
            self._begun_in_contact = pairs
        self.hits |= pairs - self._begun_in_contact


def traffic_scores(watches: Sequence[TrafficWatch], minutes: float) -> dict:
    """Of drives of so many minutes."""
    hours = sum(watch.vehicle_seconds for watch in watches) / 3600
    waits = np.array([wait for watch in watches for wait in watch.longest_waits.values()])
    hits = sum(len(watch.hits) for watch in watches)
    return {
        "drives": len(watches),
        "minutes": minutes,
        "vehicle_hours": hours,
        "vehicles_around": 60 * hours / (minutes * len(watches)),
        "vehicles": len(waits),
        "waited_long": int((waits > LONG_WAIT).sum()),
        "waited_long_share": float((waits > LONG_WAIT).mean()) if len(waits) else 0.0,
        "collisions": hits,
        "collisions_per_vehicle_hour": hits / hours if hours else 0.0,
    }


def score_traffic(model: WorldModel, towns: Sequence[int], clips: Sequence[StartClip], minutes: float) -> dict:
    """Collisions and long waits among road users in drives of so many minutes.

    Args:
        model: the learned world.
        towns: of the reference world, one drive in each, in both worlds; without them there is nothing to compare.
        clips: that endless drives begin from.
        minutes: of each drive.
    """
    num_steps = round(60 * minutes / model.config.dt)
    scores = {}
    if towns:
        starts = [find_start(town, minutes) for town in towns]
        learned = _watch_learned(model, [clip for _, clip in starts], num_steps, "traffic, learned world")
        reference = [_watch_reference(world, num_steps) for world, _ in tqdm(starts, "traffic, reference", unit="town")]
        scores |= {"learned": traffic_scores(learned, minutes), "reference": traffic_scores(reference, minutes)}
    if clips and model.tracker.endless_drives is not None:
        endless = _watch_learned(model, clips, num_steps, "traffic, endless drives", endless=True)
        scores["endless"] = traffic_scores(endless, minutes)
    return {"traffic": scores} if scores else {}


def find_start(town: int, minutes: float) -> tuple[RoadWorld, StartClip]:
    """The reference world at a start in a town, and the same start for the learned world, with a route for so many
    minutes, everything that lies along it and its lights."""
    world, scene = RoadWorld(RoadWorldConfig()), load_town_scene(town)
    for seed in range(LANE_TRIES):
        world.reset(seed, {"town": town})
        clip = world.start_clip(pictures=False)
        lane = scene.lane_under(clip.vehicles[-1, : VehicleColumn.YAW + 1])
        if scene.road_map.lanes[lane.key].junction < 0:
            break
    route = scene.road_map.route_from(lane, 60 * minutes * FASTEST, np.random.default_rng(town))
    programs = LightPrograms.of(scene.road_map, 0)  # the phases are those of the world
    signals = rows_along(route.stops, world.light_cycles(), programs.groups, programs.signs)
    return world, on_route(clip, world, scene.road_map, route, signals)


def _watch_learned(
    model: WorldModel, clips: Sequence[StartClip], num_steps: int, title: str, *, endless: bool = False
) -> list[TrafficWatch]:
    """Drives of the learned world, side by side."""
    seeds, places = list(range(len(clips))), None
    if endless:
        drives = model.tracker.endless_drives
        assert drives is not None, "the caller has looked"
        begun = [drives.begin(clip, seed, np.zeros(0, np.int64)) for clip, seed in zip(clips, seeds, strict=True)]
        clips, places = [clip for clip, _ in begun], [place for _, place in begun]
    watches = [TrafficWatch() for _ in clips]
    state = model.begin(clips, seeds, pictures=False, endless=places)
    for k, (now, _) in enumerate(follow_lane(model, state, num_steps, title)):
        if k % EVERY:
            continue
        actors = now.tracked.actors
        for b, watch in enumerate(watches):
            there = actors.kinds[b] > 0
            states, ids = actors.states[b, there], actors.traits[b, there, TraitColumn.ID].astype(np.int64)
            kinds, speeds = actors.kinds[b, there], states[:, ActorColumn.SPEED]
            watch.see(ids.tolist(), kinds, states[:, BOX_COLUMNS], speeds, EVERY * model.config.dt)
    return watches


def _watch_reference(world: RoadWorld, num_steps: int) -> TrafficWatch:
    """A drive of the reference world, of whose road users those count that the learned world would know."""
    driver, watch, num = LaneFollower(), TrafficWatch(), world.snapshot().traffic.parked_rows.start
    boxes, lives = world.objects.boxes[:num], np.zeros(num, np.int64)
    scene = world.snapshot().past[-1].scene
    for k in range(num_steps):
        step = world.step(control_from_action(driver.action(scene)))
        scene, before, boxes = step.scene, boxes, world.objects.boxes[:num]
        # the rows of those who have left are given to others
        lives += np.hypot(*(boxes[:, :2] - before[:, :2]).T) > JUMP
        if k % EVERY:
            continue
        offset, yaw = boxes[:, :2] - step.vehicle[:2], step.vehicle[VehicleColumn.YAW]
        ahead = np.cos(yaw) * offset[:, 0] + np.sin(yaw) * offset[:, 1]
        near = np.flatnonzero((np.hypot(*offset.T) < REACH) & (ahead > -LEAVE_BEHIND))
        ids = [int(row + num * lives[row]) for row in near]
        watch.see(ids, world.objects.kinds[near], boxes[near], world.objects.speeds[near], EVERY * world.dt)
    return watch

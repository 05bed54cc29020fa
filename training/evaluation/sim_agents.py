"""How true the road users are: futures rolled out from recorded starts, scored for realism against the recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from policies.fair_start import is_fair_start
from training.data.camera_scenes import CameraScenes
from training.data.frame_store import FrameStore
from training.data.starts import clip_at, episode_at
from training.data.validity import known_of
from training.evaluation.held_out import choose_long_starts
from training.evaluation.realism import BUCKETS, FEATURES, average_displacement, likelihoods, meta_metric
from training.evaluation.traffic_features import Futures, RoadEdge, TrafficFeatures
from worldsim.actors.actors import ActorColumn, TraitColumn
from worldsim.actors.clip_actors import actors_of_clips
from worldsim.actors.lane_graph import LaneGraph
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS
from worldsim.datatypes.scene import BOX_COLUMNS, ObjectKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.scene_tracker import SceneTracker
from worldsim.world_model import WorldModel

MOST_ROLLOUTS = 32
"""From a start, as in the challenge."""
SECONDS = 8.0
"""Length of a rollout [s]."""
REACH = 68.0
"""Road users count while they are nearer to the ego than this [m]; the learned world lets them go beyond."""
SAME_PLACE = 0.3
"""A tracked road user this near to a recorded one of its kind is that one [m]."""
JUMP = 10.0
"""Who is this far from where he was a step ago is another one [m]."""
RECREATED = 2e-3
"""A drive that is made again ends this near to what was recorded, or is another one [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RealismStart:
    """A recorded start, the `n` road users that are scored from it, and their `t` recorded steps.

    Args:
        store: the recording.
        position: of the start in it.
        clip: what the learned world goes on from.
        ids: of the road users in the recorded pictures, int64 [n].
        slots: theirs among the tracked road users, int64 [n].
        kinds: ObjectKind, int64 [n].
        vehicles: the ego's recorded motion, [t, 6].
        recorded: what they then did; a single rollout.
        edge: of the road.
        lanes: of the whole map.
        light_cycles: by light group of the map, time 0 is the beginning of the episode; None where not known.
    """

    store: FrameStore
    position: int
    clip: StartClip
    ids: np.ndarray
    slots: np.ndarray
    kinds: np.ndarray
    vehicles: np.ndarray
    recorded: Futures
    edge: RoadEdge
    lanes: LaneGraph
    light_cycles: np.ndarray | None

    @property
    def controls(self) -> np.ndarray:
        """The recorded CONTROL_NAMES that lead to each step, [t, 4]."""
        first = self.position
        return self.store.rows.controls[first : first + len(self.vehicles)]

    def features(self, futures: Futures) -> TrafficFeatures:
        """What futures from this start are compared by."""
        return TrafficFeatures.of(futures, self.edge, self.lanes, self.light_cycles)

    def futures(self, boxes: np.ndarray, there: np.ndarray) -> Futures:
        """Rollouts [r, n, t, 5] from this start of who is `there`, bool [r, n, t]."""
        return replace(self.recorded, boxes=boxes, seen=there & _in_reach(boxes, self.vehicles))


def _in_reach(boxes: np.ndarray, vehicles: np.ndarray) -> np.ndarray:
    """Who is within REACH of the ego [t, 6] and in front of it, bool [..., t]: the camera shows no others."""
    d = boxes[..., :2] - vehicles[:, :2]
    yaw = vehicles[:, VehicleColumn.YAW]
    ahead = np.cos(yaw) * d[..., 0] + np.sin(yaw) * d[..., 1]
    return (np.hypot(d[..., 0], d[..., 1]) < REACH) & (ahead > 0)


def find_start(
    store: FrameStore, position: int, tracker: SceneTracker, num_context: int, num_steps: int
) -> RealismStart | None:
    """The start at a position in a store; None where no road user can be scored from it."""
    episode = episode_at(store, position)
    first = int(store.starts[episode])
    scenes, frame = store.camera_scenes(episode), position - first
    clip = clip_at(store, position, num_context)
    actors = tracker.begin([clip], [0]).actors
    ids, slots = [], []
    now = scenes[frame]
    for slot in np.flatnonzero(actors.kinds[0] > 0).tolist():
        apart = np.hypot(*(now.users.boxes[:, :2] - actors.states[0, slot, :2]).T)
        apart = np.where(now.users.kinds == actors.kinds[0, slot], apart, np.inf)
        # objects in the way that are not road users have no future
        if len(apart) and apart.min() < SAME_PLACE and actors.kinds[0, slot] != ObjectKind.STATIC:
            ids.append(int(now.user_ids[apart.argmin()]))
            slots.append(slot)
    if not ids:
        return None

    boxes, there = np.zeros((1, len(ids), num_steps, 5)), np.zeros((1, len(ids), num_steps), bool)
    for k in range(num_steps):
        scene = scenes[frame + 1 + k]
        for row, number in enumerate(ids):
            found = np.flatnonzero(scene.user_ids == number)
            if len(found):
                boxes[0, row, k], there[0, row, k] = scene.users.boxes[found[0], FOOTPRINT_COLUMNS], True
    begin = actors.states[0, slots][:, BOX_COLUMNS]
    vehicles = store.rows.vehicles[position + 1 : position + 1 + num_steps]
    size = np.broadcast_to([tracker.vehicle_model.length, tracker.vehicle_model.width], (num_steps, 2))
    others = np.concatenate([vehicles[:, : VehicleColumn.YAW + 1], size], axis=-1)[:, None]
    if clip.road_users is not None:
        parked = clip.road_users.boxes[clip.road_users.parked][:, FOOTPRINT_COLUMNS]
        others = np.concatenate([others, np.broadcast_to(parked, (num_steps, *parked.shape))], axis=1)
    there &= ~_replaced(boxes, begin)
    layout = store.layouts[episode].read()
    start = RealismStart(
        store=store,
        position=position,
        clip=clip,
        ids=np.array(ids),
        slots=np.array(slots),
        kinds=actors.kinds[0, slots],
        vehicles=vehicles,
        recorded=Futures(
            boxes=boxes,
            seen=there & _in_reach(boxes, vehicles),
            others=np.ascontiguousarray(others),
            times=store.dt * (1 + frame + np.arange(num_steps)),
            dt=store.dt,
        ),
        edge=RoadEdge(layout),
        lanes=LaneGraph.of(layout),
        light_cycles=scenes.light_cycles if isinstance(scenes, CameraScenes) else None,
    )
    return start if start.recorded.seen.any() else None


def _replaced(boxes: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """From which step [r, n, t] on another one goes by the number of each, who began at [n, 5]."""
    places = np.concatenate([np.broadcast_to(begin[None, :, None], (*boxes.shape[:2], 1, 5)), boxes], axis=2)
    jumps = np.hypot(*np.moveaxis(np.diff(places[..., :2], axis=2), -1, 0)) > JUMP
    return np.logical_or.accumulate(jumps, axis=2)


def roll_out_constant_velocity(start: RealismStart, num_rollouts: int) -> Futures:
    """Everyone goes straight on at the speed he had."""
    num_steps = len(start.vehicles)
    state = _begin_states(start)
    ahead = start.store.dt * np.arange(1, num_steps + 1) * state[:, ActorColumn.SPEED, None]
    boxes = np.repeat(state[:, None, BOX_COLUMNS], num_steps, axis=1)
    yaw = state[:, ActorColumn.YAW, None]
    boxes[..., 0] += ahead * np.cos(yaw)
    boxes[..., 1] += ahead * np.sin(yaw)
    boxes = np.repeat(boxes[None], num_rollouts, axis=0)
    return start.futures(boxes, np.ones(boxes.shape[:-1], bool))


def _begin_states(start: RealismStart) -> np.ndarray:
    return actors_of_clips([start.clip]).states[0, start.slots]


def roll_out_learned(tracker: SceneTracker) -> Callable[[RealismStart, int], Futures]:
    """Everyone moves as in the learned world; the ego by its recorded controls."""

    def roll_out(start: RealismStart, num_rollouts: int) -> Futures:
        state = tracker.begin([start.clip] * num_rollouts, [start.position * 1000 + r for r in range(num_rollouts)])
        ids = state.actors.traits[:, start.slots, TraitColumn.ID]
        boxes, there = [], []
        for control in start.controls:
            state = tracker.step(state, np.repeat(control[None], num_rollouts, axis=0))
            boxes.append(state.actors.states[:, start.slots][..., BOX_COLUMNS])
            same = state.actors.traits[:, start.slots, TraitColumn.ID] == ids
            there.append(same & (state.actors.kinds[:, start.slots] > 0))
        return start.futures(np.stack(boxes, axis=2), np.stack(there, axis=2))

    return roll_out


def roll_out_reference(start: RealismStart, num_rollouts: int) -> Futures | None:
    """Everyone moves as in the reference world, from the recorded state on, but by other random numbers; None where
    the recorded drive cannot be made again: it is of another world, or of an older version."""
    world = _recreate(start)
    if world is None:
        return None
    snapshot, num_steps = world.snapshot(), len(start.vehicles)
    boxes = np.zeros((num_rollouts, len(start.ids), num_steps, 5))
    for r in range(num_rollouts):
        again = snapshot.copy()
        again.rng = np.random.default_rng([start.position, r])
        world.restore(again)
        for k, control in enumerate(start.controls):
            world.step(control)
            boxes[r, :, k] = world.objects.boxes[start.ids]
    begin = snapshot.traffic.objects.boxes[start.ids]
    return start.futures(boxes, ~_replaced(boxes, begin))


def _recreate(start: RealismStart) -> RoadWorld | None:
    """The reference world in the state that was recorded."""
    episode = episode_at(start.store, start.position)
    first, source = int(start.store.starts[episode]), start.store.episodes[episode].source
    if source.town < 0:
        return None
    world = RoadWorld(RoadWorldConfig(dt=start.store.dt))
    world.reset(source.seed, {"town": source.town})
    for control in start.store.rows.controls[first : start.position]:
        world.step(control)
    traffic = world.objects.boxes
    if start.ids.max() >= len(traffic):
        return None
    miss = np.abs(traffic[start.ids, :2] - _begin_states(start)[:, :2]).max()
    return world if miss < RECREATED else None


def choose_realism_starts(store: FrameStore, num: int, num_context: int, num_steps: int, seed: int) -> list[int]:
    """Positions [num] of starts on the road after which the ego hits nothing, spread over the towns."""
    rng = np.random.default_rng(seed)
    rows, known = store.rows, known_of(store.rows.valid)
    usable = []
    for position in choose_long_starts(store, 4 * num, num_context, num_steps, rng).tolist():
        ahead = slice(position, position + num_steps + 1)
        last = position + num_steps
        inside = last < len(store) and episode_at(store, position) == episode_at(store, last)
        inside = inside and bool(is_fair_start(rows.collision[position], rows.off_road[position]))
        if inside and known.motion[ahead].all() and (rows.collision[ahead] <= 0.5).all() and position not in usable:
            usable.append(position)
    return usable[:num]


def score_realism(model: WorldModel, store: FrameStore, num_starts: int, num_rollouts: int, seed: int) -> dict:
    """The realism of the learned world's road users, of constant velocity and, where the recorded drives can be made
    again, of the reference world's, from starts of a recording; nothing where it has none with road users."""
    num_steps, num_context = round(SECONDS / store.dt), model.config.num_context
    positions = choose_realism_starts(store, num_starts, num_context, num_steps, seed)
    simulators: dict[str, Callable[[RealismStart, int], Futures | None]] = {
        "constant_velocity": roll_out_constant_velocity,
        "learned": roll_out_learned(model.tracker),
        "reference": roll_out_reference,
    }
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in simulators}
    num_users = 0
    for position in tqdm(positions, desc="realism", unit="start"):
        start = find_start(store, position, model.tracker, num_context, num_steps)
        if start is None:
            continue
        num_users += len(start.ids)
        recorded = start.features(start.recorded)
        for name, roll_out in simulators.items():
            futures = roll_out(start, num_rollouts)
            if futures is not None:
                scores[name].append(score_start(start, recorded, futures))
    if not scores["learned"]:
        return {}
    return {
        "realism": {
            "starts": len(scores["learned"]),
            "rollouts": num_rollouts,
            "seconds": SECONDS,
            "road_users": num_users,
            **{name: _mean_scores(each) for name, each in scores.items() if each},
        }
    }


def score_start(start: RealismStart, recorded: TrafficFeatures, futures: Futures) -> dict[str, float]:
    """Likelihoods, displacements and rates of events of futures from one start."""
    is_vehicle = start.kinds != ObjectKind.PEDESTRIAN
    made = start.features(futures)
    found = likelihoods(recorded, made, is_vehicle)
    counted = futures.seen & start.recorded.seen
    apart = average_displacement(start.recorded.boxes[0, ..., :2], futures.boxes[..., :2], counted)
    apart = apart[np.isfinite(apart)]
    found["ade_m"] = float(apart.mean()) if len(apart) else float("nan")
    found["min_ade_m"] = float(apart.min()) if len(apart) else float("nan")
    for event in (name for name, config in FEATURES.items() if config.bins == 0):
        happened, seen = made[event]
        known = np.asarray(np.any(seen, axis=2))
        rate = np.asarray(np.any(happened & seen, axis=2))[known]
        found[f"{event}_rate"] = float(rate.mean()) if len(rate) else float("nan")
    return found


def _mean_scores(each: Sequence[dict[str, float]]) -> dict:
    """Means over starts, with the standard error of the meta-metric's."""
    totals = np.array([meta_metric(one) for one in each])
    means = {name: _known_mean([one[name] for one in each]) for name in each[0]}
    return {
        "starts": len(each),
        "meta": _known_mean(totals.tolist()),
        "meta_error": float(np.nanstd(totals) / np.sqrt(len(totals))),
        **{bucket: _known_mean([meta_metric(one, bucket) for one in each]) for bucket in BUCKETS},
        **means,
    }


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")

"""The actors' stage: what is read from recorded traffic, on an episode whose answers are known."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from known_drives import rows_of
from tiny_model import CONFIG

from training.data.reconstructed_scenes import reconstruct_scenes
from training.data.recorded_scenes import RecordedScenes
from training.stages.actors import (
    ActorSamples,
    ActorStageConfig,
    actor_losses,
    actor_samples,
    find_arrivals,
    shown_habits,
    train_actors,
)
from training.stages.loop import LoopConfig
from worldsim.actors.actor_model import RATE_SCALE, START_SECONDS, ActorModel
from worldsim.actors.actors import ACTOR_NAMES, ActorColumn
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.courses import free_courses
from worldsim.configs import ActorConfig
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.gbuffer.road_users import RoadUsers

NUM, DT = 60, 0.1
CONFIG_1 = ActorStageConfig(loop=LoopConfig(num_steps=1), every=1)


@pytest.fixture(scope="module")
def store() -> SimpleNamespace:
    """The ego at 10 m/s on a straight road; a car ahead that brakes at 1 m/s², one that waits 3 s and drives off, one
    that is parked, and one that comes into range at frame 30."""
    t = np.arange(NUM) * DT
    vehicles = np.zeros((NUM, 6))
    vehicles[:, 0], vehicles[:, 3] = 10 * t, 10
    scenes = SceneState.empty((NUM,))
    scenes.route[:, :, 0] = ROUTE_DISTANCES
    scenes.route_valid[:] = scenes.lane_valid[:] = True
    waited = np.maximum(t - 3.0, 0)
    tracks = [
        (30 + 9 * t - t**2 / 2, 0.0, 9 - t, 4.5),
        (90 + waited**2, 0.5, 2 * waited, 4.2),
        (np.full(NUM, 70.0), -4.0, 0 * t, 4.0),
        (10 * t + 45, 3.5, 0 * t + 10.0, 4.8),
    ]
    for slot, (x, y, speed, length) in enumerate(tracks):
        ground = np.stack([x, np.full(NUM, y)], axis=-1)
        scenes.objects[:, slot, :2] = np.stack([to_vehicle_frame(v, g) for v, g in zip(vehicles, ground, strict=True)])
        scenes.objects[:, slot, 3], scenes.objects[:, slot, 4], scenes.objects[:, slot, 5] = speed, length, 1.8
        scenes.object_kinds[:, slot] = 1
    scenes.object_kinds[:30, 3] = 0
    rows = rows_of(vehicles, scenes, np.zeros(4, np.float32))
    return SimpleNamespace(
        rows=rows,
        starts=np.array([0]),
        lengths=np.array([NUM]),
        dt=DT,
        camera_scenes=lambda episode: coloured(reconstruct_scenes(rows, DT)),
        has_camera_scenes=lambda episode: True,
    )


def coloured(scenes: list[CameraScene]) -> list[CameraScene]:
    """Those, in which the recording tells the colour of the car that comes into range; that which is parked is out of
    the camera's sight."""
    found = []
    for scene in scenes:
        shown = ~np.isclose(scene.users.boxes[:, BoxColumn.LENGTH], 4.0)
        users = RoadUsers(**{name: values[shown] for name, values in vars(scene.users).items()})
        users.colors[np.isclose(users.boxes[:, BoxColumn.LENGTH], 4.8)] = 51, 102, 153
        found.append(replace(scene, users=users, user_ids=scene.user_ids[shown]))
    return found


def scenes_of(store: SimpleNamespace) -> RecordedScenes:
    return RecordedScenes(store, Rasterizer(CONFIG.camera.with_frame_size((128, 128))))  # type: ignore[arg-type]


def test_rates_are_those_driven_and_waiting_is_told_from_parking(store: SimpleNamespace) -> None:
    ahead = round(START_SECONDS / DT)
    samples = actor_samples(store, replace(CONFIG_1, ahead=ahead))  # type: ignore[arg-type]
    frames = NUM - ahead
    assert len(samples.rates) == 3 * frames + frames - 30
    braking = samples.rates[np.isclose(samples.rates[:, 0], -1 / RATE_SCALE[0], atol=1e-3)]
    assert len(braking) == frames
    assert samples.parked.sum() == frames
    assert samples.waits.sum() == 32  # until 3.1 s, for speeds are means over a step
    assert samples.starts.sum() == pytest.approx(ahead, abs=1)
    assert not (samples.starts & ~samples.waits).any()


def test_arrivals_are_those_who_came_into_range(store: SimpleNamespace) -> None:
    arrivals = find_arrivals(scenes_of(store), 4, np.random.default_rng(0))
    assert (arrivals[:, 6] > 0).sum() == 1
    assert arrivals[0] == pytest.approx([45.0, 3.5, 0.0, 10.0, 4.8, 1.8, 1.0, 0.2, 0.4, 0.6], abs=1e-3)


def test_the_model_learns_what_they_did(store: SimpleNamespace) -> None:
    torch.manual_seed(0)
    model = ActorModel(ActorConfig(width=32))
    samples = actor_samples(store, CONFIG_1)  # type: ignore[arg-type]
    config = ActorStageConfig(loop=LoopConfig(num_steps=1), batch_size=128)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    history = []
    for step in range(150):
        losses = actor_losses(model, samples, config, np.random.default_rng(step))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        history.append(losses["loss"].item())
    assert history[-1] < 0.2 * history[0]


def test_habits_are_read_where_nothing_is_in_the_way_and_behind_leads_of_the_same_speed() -> None:
    states, courses = np.zeros((6, len(ACTOR_NAMES))), free_courses((6,))
    tracks, limits = np.array([0, 0, 0, 1, 1, 2]), np.full(6, 10.0)
    states[:, ActorColumn.SPEED] = 9.0, 9.4, 3.5, 8.0, 8.0, 7.0
    states[5, ActorColumn.ACCELERATION] = 1.0  # it would like to be faster
    courses[:, CourseColumn.ON_LANE], courses[:, CourseColumn.CURVE_SPEED] = 1.0, 30.0
    courses[2, CourseColumn.STOP] = 10.0  # it slows down for a light
    courses[3:5, CourseColumn.GAP], courses[3:5, CourseColumn.LEAD_SPEED] = 12.5, 8.2
    habits = shown_habits(tracks, states, courses, limits)
    assert habits[:3, 0] == pytest.approx(0.92)
    assert np.isnan(habits[3:, 0]).all()
    assert habits[3:5, 1] == pytest.approx(10.0 / 8.0)
    assert np.isnan(habits[[0, 1, 2, 5], 1]).all()


def test_drivers_drive_by_their_habits_once_that_is_learned() -> None:
    torch.manual_seed(0)
    rng, num = np.random.default_rng(0), 2000
    model = ActorModel(ActorConfig(width=32))
    features = np.zeros((num, model.habits[0].in_features), np.float32)  # type: ignore[union-attr, index]
    pace = rng.uniform(0.75, 1.05, num)
    features[:, 0], features[:, 4], features[:, 22], features[:, 40] = rng.uniform(0.5, 1.0, num), 1.0, 2.0, 1.0
    rates = np.stack([10 * (pace - features[:, 0]) / RATE_SCALE[0] / 3, np.zeros(num)], axis=-1)
    never = np.zeros(num, bool)
    samples = ActorSamples(
        features=features, rates=rates, habits=np.stack([pace, np.full(num, np.nan)], axis=-1), parked=never,
        waits=never, starts=never, densities=np.zeros(2),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(200):
        losses = actor_losses(model, samples, CONFIG_1, np.random.default_rng(step))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert losses["acceleration"].item() < 0.01
    seen = torch.from_numpy(features[:1])
    slow, fast = (model(seen, torch.tensor([[own, 1.5]]))[0, 0].item() for own in (0.75, 1.05))
    assert fast - slow == pytest.approx(3.0 / 3 / RATE_SCALE[0], rel=0.3)
    spread = model.habits(seen)[0, 2].exp().item() * 0.1
    assert spread == pytest.approx(0.087, rel=0.4)  # of a uniform distribution 0.3 wide


def test_a_recording_without_actors_is_refused(store: SimpleNamespace, tmp_path: Path) -> None:
    scenes = SceneState.empty((NUM,))
    rows = rows_of(store.rows.vehicles, scenes, np.zeros(4, np.float32))
    nobody = {"rows": rows, "camera_scenes": lambda episode: reconstruct_scenes(rows, DT)}
    alone = SimpleNamespace(**{**vars(store), **nobody})
    with pytest.raises(ValueError, match="no actor twice"):
        train_actors(
            ActorModel(ActorConfig()), scenes_of(alone), ActorStageConfig(loop=LoopConfig(num_steps=1)), tmp_path
        )
    alone.lengths = np.array([4])
    with pytest.raises(ValueError, match="longer than 5 frames"):
        actor_samples(alone, CONFIG_1)  # type: ignore[arg-type]

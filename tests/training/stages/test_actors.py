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
from training.stages.actors import ActorStageConfig, actor_losses, actor_samples, find_arrivals, train_actors
from training.stages.loop import LoopConfig
from worldsim.actors.actor_model import RATE_SCALE, START_SECONDS, ActorModel
from worldsim.configs import ActorConfig
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.gbuffer.road_users import RoadUsers

NUM, DT = 60, 0.1


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
    """Those, in which the recording tells the colour of the car that comes into range and hides the others."""
    found = []
    for scene in scenes:
        shown = np.isclose(scene.users.boxes[:, BoxColumn.LENGTH], 4.8)
        users = RoadUsers(**{name: values[shown] for name, values in vars(scene.users).items()})
        users.colors[:] = 51, 102, 153
        found.append(replace(scene, users=users, user_ids=scene.user_ids[shown]))
    return found


def scenes_of(store: SimpleNamespace) -> RecordedScenes:
    return RecordedScenes(store, Rasterizer(CONFIG.camera.with_frame_size((128, 128))))  # type: ignore[arg-type]


def test_rates_are_those_driven_and_waiting_is_told_from_parking(store: SimpleNamespace) -> None:
    ahead = round(START_SECONDS / DT)
    samples = actor_samples(store, ahead)  # type: ignore[arg-type]
    frames = NUM - ahead
    assert len(samples.rates) == 3 * frames + frames - 30
    braking = samples.rates[np.isclose(samples.rates[:, 0], -1 / RATE_SCALE[0], atol=1e-3)]
    assert len(braking) == frames
    assert samples.parked.sum() == frames
    assert samples.waits.sum() == 31  # until 3.0 s
    assert samples.starts.sum() == pytest.approx(ahead, abs=1)
    assert not (samples.starts & ~samples.waits).any()


def test_arrivals_are_those_who_came_into_range(store: SimpleNamespace) -> None:
    arrivals = find_arrivals(scenes_of(store), 4, np.random.default_rng(0))
    assert (arrivals[:, 6] > 0).sum() == 1
    assert arrivals[0] == pytest.approx([45.0, 3.5, 0.0, 10.0, 4.8, 1.8, 1.0, 0.2, 0.4, 0.6], abs=1e-3)


def test_the_model_learns_what_they_did(store: SimpleNamespace) -> None:
    torch.manual_seed(0)
    model = ActorModel(ActorConfig(width=32))
    samples = actor_samples(store, 5)  # type: ignore[arg-type]
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


def test_a_recording_without_actors_is_refused(store: SimpleNamespace, tmp_path: Path) -> None:
    scenes = SceneState.empty((NUM,))
    alone = SimpleNamespace(**{**vars(store), "rows": rows_of(store.rows.vehicles, scenes, np.zeros(4, np.float32))})
    with pytest.raises(ValueError, match="no actor twice"):
        train_actors(
            ActorModel(ActorConfig()), scenes_of(alone), ActorStageConfig(loop=LoopConfig(num_steps=1)), tmp_path
        )
    alone.lengths = np.array([4])
    with pytest.raises(ValueError, match="longer than 5 frames"):
        actor_samples(alone, 5)  # type: ignore[arg-type]

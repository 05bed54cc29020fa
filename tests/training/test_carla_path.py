"""From a CARLA server to a world of its own: recorded by the real client over a bridge, trained on, driven in."""

from pathlib import Path

import pytest
from bridge_process import serving

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from scenarios.demo import DemoConfig, demo
from training.data.frame_store import FrameStore
from training.data.video_io import decode_video
from training.recording.record import RecordConfig, record
from training.train import TrainConfig, train

ROAD = ("--world", "road", "--num-vehicles", "6", "--num-pedestrians", "4")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_world_is_learned_from_a_server_and_driven_in(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    with serving(*ROAD) as bridge:
        dataset = record(
            RecordConfig(
                out=data,
                world="carla",
                port=bridge.port,
                carla_maps=("Town_003", "Town_004"),
                num_episodes=4,
                episodes_per_town=2,
                seconds_per_episode=10.0,
                min_seconds=6.0,
            )
        )
    store = FrameStore(dataset)
    assert all(store.has_camera_scenes(episode) for episode in range(4))
    assert all(layout.read().boxes_known for layout in store.layouts)

    train(TrainConfig(recipe="debug", data=data, out=run, held_out=0.4, precision="float32"))
    assert (run / "evaluation" / "report.json").is_file()

    film = tmp_path / "film"
    demo(DemoConfig(checkpoint=run / "checkpoint", out=film, seconds=2.0, num_drives=1))
    frames = decode_video(film / "demo.mp4", 0, 20)
    assert frames.std() > 5

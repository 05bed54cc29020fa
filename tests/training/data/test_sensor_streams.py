"""Depth and classes in a recording: as LeRobot 0.6 defines depth streams, classes exactly."""

import json

import numpy as np
import pytest
from random_rollouts import SIZE, random_rows, smooth_frames

from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset
from training.data.sensor_streams import (
    DEPTH_ERROR,
    DEPTH_MAX,
    DEPTH_MIN,
    DEPTH_SHIFT,
    SKY_CODE,
    decode_depth,
    encode_depth,
    write_stream,
)
from worldsim.gbuffer.classes import SemanticClass


def pictures(length: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    depth = np.exp(rng.uniform(np.log(0.3), np.log(900.0), (length, *SIZE))).astype(np.float16)
    depth[:, :5] = np.inf
    return {"depth": depth, "semantic": rng.integers(0, len(SemanticClass), (length, *SIZE)).astype(np.uint8)}


@pytest.fixture
def recorded(tmp_path):
    rng = np.random.default_rng(0)
    writer = RolloutWriter(tmp_path, SIZE, 10, ("a", "b"), sensors=("depth", "semantic"))
    shown = [pictures(length, rng) for length in (14, 23)]
    for index, extra in enumerate(shown):
        length = len(extra["depth"])
        source = EpisodeSource(seed=0, town=0)
        writer.write(index, smooth_frames(length, rng), random_rows(length, rng), source, pictures=extra)
    writer.seal()
    return tmp_path, shown


def test_codes_are_those_of_lerobots_depth_encoder():
    # lerobot 0.6.2, quantize_depth and dequantize_depth of datasets/depth_utils.py, written out
    depth = np.array([0.1, 0.25, 1.0, 10.0, 123.4, 998.0, 1000.0], np.float32)
    low, high = np.log(DEPTH_MIN + DEPTH_SHIFT), np.log(DEPTH_MAX + DEPTH_SHIFT)
    theirs = np.rint((np.log(depth + DEPTH_SHIFT) - low) / (high - low) * 4095).clip(0, 4095)
    ours = encode_depth(depth)
    assert ours[:-1].tolist() == theirs[:-1].tolist()
    assert (ours[-1], theirs[-1]) == (SKY_CODE - 1, SKY_CODE)  # the highest code is the sky's
    back = np.exp(ours * (high - low) / 4095 + low) - DEPTH_SHIFT
    np.testing.assert_allclose(decode_depth(ours), back, rtol=1e-3)


def test_depth_is_as_fine_as_half_floats_nearly_are():
    depth = np.exp(np.linspace(np.log(DEPTH_MIN), np.log(990.0), 5000)).astype(np.float16)
    error = np.abs(decode_depth(encode_depth(depth)).astype(float) - depth.astype(float))
    rounding = 2.0**-11 * depth.astype(float)  # of the half float that comes back
    assert (error <= DEPTH_ERROR * (depth.astype(float) + DEPTH_SHIFT) + rounding).all()
    assert np.isinf(decode_depth(encode_depth(np.array([np.inf], np.float16)))).all()


def test_streams_come_back(recorded):
    root, shown = recorded
    dataset = RolloutDataset(root)
    assert dataset.sensors == ("depth", "semantic")
    for k, extra in enumerate(shown):
        episode = dataset[k]
        np.testing.assert_array_equal(episode.sensor_frames("semantic"), extra["semantic"])
        depth = episode.sensor_frames("depth")
        assert depth.dtype == np.float16
        np.testing.assert_array_equal(depth, decode_depth(encode_depth(extra["depth"])))
        np.testing.assert_array_equal(np.isinf(depth), np.isinf(extra["depth"]))


def test_lerobot_finds_what_it_needs(recorded):
    root, _ = recorded
    features = json.loads((root / "meta/info.json").read_text())["features"]
    stats = json.loads((root / "meta/stats.json").read_text())
    depth = features["observation.images.front_depth"]
    assert depth["dtype"] == "video"
    assert depth["info"]["is_depth_map"] is True
    assert {name: depth["info"][f"video.{name}"] for name in ("depth_min", "depth_max", "shift", "use_log")} == {
        "depth_min": DEPTH_MIN,
        "depth_max": DEPTH_MAX,
        "shift": DEPTH_SHIFT,
        "use_log": True,
    }
    assert (depth["info"]["video.codec"], depth["info"]["video.pix_fmt"]) == ("hevc", "gray12le")
    assert not features["observation.images.front_semantic"]["info"]["is_depth_map"]
    assert features["observation.images.front_semantic"]["info"]["classes"][2] == "sidewalk"
    assert np.shape(stats["observation.images.front_depth"]["mean"]) == (1, 1, 1)
    assert stats["observation.images.front_depth"]["max"][0][0][0] == DEPTH_MAX
    for kind in ("depth", "semantic"):
        assert (root / f"videos/observation.images.front_{kind}/chunk-000/file-001.mp4").is_file()


def test_what_was_not_recorded_is_said(recorded, tmp_path):
    rng = np.random.default_rng(0)
    plain = RolloutWriter(tmp_path / "plain", SIZE, 10, ("a", "b"))
    plain.write(0, smooth_frames(5, rng), random_rows(5, rng), EpisodeSource(seed=0, town=0))
    with pytest.raises(ValueError, match="recorded without depth"):
        RolloutDataset(tmp_path / "plain")[0].sensor_frames("depth")
    writer = RolloutWriter(recorded[0], SIZE, 10, ("a", "b"), sensors=("depth", "semantic"))
    with pytest.raises(ValueError, match="pictures must be"):
        writer.write(2, smooth_frames(5, rng), random_rows(5, rng), EpisodeSource(seed=0, town=0))


def test_damage_is_named(recorded):
    root, _ = recorded
    path = root / "videos/observation.images.front_depth/chunk-000/file-000.mp4"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file-000\.mp4 is damaged"):
        RolloutDataset(root)[0].sensor_frames("depth")


def test_a_stream_is_the_same_bytes_again(tmp_path):
    shown = pictures(12, np.random.default_rng(3))
    for name, values in shown.items():
        for copy in ("a", "b"):
            write_stream(tmp_path / copy, name, values, 10, 10)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

"""Scores of made clips by hand, benchmarks that say what they measured, temporal consistency of constructed clips."""

import numpy as np
import pytest
import torch
from steered_clips import steered_batches

from training.evaluation.clip_rollouts import (
    METRICS,
    PerformanceBenchmark,
    SequenceEvaluator,
    WorldModelBenchmark,
    compute_all_metrics,
)
from training.evaluation.image_metrics import temporal_consistency
from worldsim.configs import DiTConfig
from worldsim.dynamics.streaming import StreamingRollout
from worldsim.dynamics.video_denoiser import VideoDenoiser
from worldsim.networks.generative_configs import VideoVAEConfig
from worldsim.networks.video_vae import VideoVAE

(CLIPS,) = steered_batches(1, 6, 6, seed=0)
ITEMS = [{name: values[k] for name, values in CLIPS.items()} for k in range(6)]


@pytest.fixture
def pair() -> tuple[VideoDenoiser, VideoVAE]:
    torch.manual_seed(0)
    student = VideoDenoiser(DiTConfig(width=32, depth=1, num_heads=2, conv_width=8, num_conv_blocks=1), 4, (32, 32))
    return student, VideoVAE(VideoVAEConfig(latent_channels=4, widths=(8, 8, 8), num_halvings=0, num_blocks=1))


def grey(*levels: int) -> np.ndarray:
    """A clip of even frames, uint8 [t, 8, 8, 3]."""
    return np.stack([np.full((8, 8, 3), level, np.uint8) for level in levels])


def test_temporal_consistency_compares_changes_alone():
    truth = grey(10, 20, 30)
    assert temporal_consistency(truth, truth) == 1.0
    assert temporal_consistency(grey(110, 120, 130), truth) == 1.0  # a constant error
    np.testing.assert_allclose(temporal_consistency(grey(10, 10, 10), truth), 1 - 10 / 255)  # it stands still
    np.testing.assert_allclose(temporal_consistency(grey(10, 61, 30), truth), 1 - 41 / 255)  # it flickers
    assert temporal_consistency(np.stack([truth, truth]), np.stack([truth, grey(0, 0, 0)])).shape == (2,)
    with pytest.raises(ValueError, match="two or more of one shape"):
        temporal_consistency(truth[:1], truth[:1])


def test_metrics_are_those_of_shown_frames():
    black = torch.full((2, 3, 3, 16, 16), -1.0)
    a_fifth = black + 2 * 51 / 255
    scores = compute_all_metrics(a_fifth, black)
    assert list(scores) == list(METRICS)
    assert scores["mse"] == pytest.approx(0.04)
    assert scores["psnr"] == pytest.approx(-10 * np.log10(0.04))
    assert scores["temporal_consistency"] == 1.0
    same = compute_all_metrics(black, black)
    assert (same["mse"], same["psnr"], same["ssim"]) == (0.0, 60.0, pytest.approx(1.0))
    assert compute_all_metrics(black[:, :1], black[:, :1])["temporal_consistency"] == 1.0
    with pytest.raises(ValueError, match=r"must both be \[b, t, 3, h, w\], got \[2, 3, 3, 16, 16\] and \[2, 2, 3"):
        compute_all_metrics(black, black[:, :2])
    with pytest.raises(ValueError, match=r"predicted\[1, 0, 2, 5, 0\] is nan; frames must be finite"):
        compute_all_metrics(black.index_put(tuple(map(torch.tensor, (1, 0, 2, 5, 0))), torch.tensor(torch.nan)), black)


def test_a_sequence_is_scored_by_what_the_rollout_makes(pair):
    frames, controls = CLIPS["frames"], CLIPS["controls"]
    scores = SequenceEvaluator(*pair).evaluate_sequence(frames[:, :2], frames[:, 2:], controls, seed=3)
    made = StreamingRollout(*pair).generate_sequence(frames[:, :2], controls, 4, seed=3)
    assert scores == compute_all_metrics(made, frames[:, 2:])


def test_a_world_model_is_held_against_repeating(pair, capsys):
    found = WorldModelBenchmark(*pair, ITEMS, context_length=2, num_clips=5, batch_size=2).run()  # type: ignore[arg-type]
    chosen = CLIPS["frames"][[0, 1, 2, 4, 5]]
    repeated = compute_all_metrics(chosen[:, 1:2].expand(-1, 4, -1, -1, -1), chosen[:, 2:])
    assert found["repeating"] == pytest.approx({**repeated, "num_clips": 5})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| measure | student | repeating |"
    assert lines[-1] == "| clips, seed 0 | 5 | 5 |"
    assert lines[3] == f"| PSNR [dB] | {found['student']['psnr']:.4g} | {repeated['psnr']:.4g} |"
    with pytest.raises(ValueError, match="clips of 6 frames leave nothing after a context_length of 6"):
        WorldModelBenchmark(*pair, ITEMS, context_length=6).run()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_clips must be at least 1, got 0"):
        WorldModelBenchmark(*pair, ITEMS, num_clips=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the dataset holds no clip"):
        WorldModelBenchmark(*pair, [])  # type: ignore[arg-type]


def test_frames_of_the_context_enter_no_score(pair, monkeypatch):
    """The context is white and all that follows black; and what is decoded of the context is no number."""
    frames = torch.cat([torch.ones_like(CLIPS["frames"][:, :2]), -torch.ones_like(CLIPS["frames"][:, 2:])], dim=1)
    items = [{"frames": frames[k], "controls": CLIPS["controls"][k]} for k in range(len(frames))]
    benchmark = WorldModelBenchmark(*pair, items, context_length=2, batch_size=3)  # type: ignore[arg-type]
    clean = benchmark.run()
    assert clean["repeating"]["mse"] == 1.0
    decode = pair[1].decode

    def decode_context_badly(latents, stream=None):
        made = decode(latents, stream)
        return torch.full_like(made, torch.nan) if latents.shape[2] == 2 else made

    monkeypatch.setattr(pair[1], "decode", decode_context_badly)
    assert benchmark.run() == clean


def test_performance_is_of_the_models_that_were_given(pair, capsys):
    found = PerformanceBenchmark(*pair, context_length=1, num_frames=2, repeats=1).run()
    assert found["student_parameters"] == sum(p.numel() for p in pair[0].parameters())
    assert found["frames_per_second"] == pytest.approx(1 / found["seconds_per_frame"])
    assert found["seconds_per_frame"] > found["decode_seconds_per_frame"] > 0
    assert f"| parameters of the student | {found['student_parameters']:,.0f} |" in capsys.readouterr().out
    with pytest.raises(ValueError, match="num_frames must be at least 1, got 0"):
        PerformanceBenchmark(*pair, num_frames=0)
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        PerformanceBenchmark(*pair, repeats=0)

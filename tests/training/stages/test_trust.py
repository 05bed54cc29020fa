"""Trust: fitted to what tells the worst frames, and measured on rollouts beside the right frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_drives import turning_car
from tiny_model import CONTROL, random_clip, random_model

from training.evaluation.image_metrics import auroc
from training.stages.trust import TrustStageConfig, fit_trust, rollout_signals, train_trust
from worldsim.dynamics.trust import FREE_SIGNALS, FULL_SIGNALS, TrustModel

STAGE = TrustStageConfig(num_starts=5, seconds=0.6, batch_size=3)


def test_trust_falls_with_the_signal_that_tells_and_leaves_the_others() -> None:
    generator = torch.Generator().manual_seed(0)
    signals = torch.rand(2000, len(FULL_SIGNALS), generator=generator).exp()
    errors = signals[:, 1] ** 2 + 0.3 * torch.rand(2000, generator=generator)
    trust = TrustModel(len(FREE_SIGNALS))
    fit_trust(trust, signals, errors)
    value = trust(signals)
    assert auroc(-value.numpy(), (errors > errors.quantile(0.95)).numpy()) > 0.95
    assert trust.weight[1] > 5 * trust.weight[[0, 2]].abs().max()
    assert value.mean().item() == pytest.approx(0.95, abs=0.01)  # calibrated
    unknown = signals[:1].clone()
    unknown[0, 0] = torch.nan
    assert torch.isfinite(trust(unknown)).all()


def test_full_trust_finds_the_weights_of_all_signals_and_the_free_one_looks_away() -> None:
    """Frames are wrong by a known logistic law of the signals' logarithms."""
    generator = torch.Generator().manual_seed(1)
    logs = torch.randn(40_000, len(FULL_SIGNALS), generator=generator)
    known = torch.zeros(len(FULL_SIGNALS))
    known[len(FREE_SIGNALS) :] = torch.linspace(0.5, 1.5, len(FULL_SIGNALS) - len(FREE_SIGNALS))
    draw = torch.rand(len(logs), generator=generator).logit()
    free, full = TrustModel(len(FREE_SIGNALS)), TrustModel(len(FULL_SIGNALS))
    for trust in (free, full):
        fit_trust(trust, logs.exp(), logs @ known - draw, decay=0.0)
    torch.testing.assert_close(full.weight, known, atol=0.1, rtol=0.0)
    assert free.weight.abs().max() < 0.5
    assert full(logs.exp()).mean().item() == pytest.approx(0.95, abs=0.01)


def test_signals_and_errors_are_of_the_frames_within_the_episode(tmp_path: Path) -> None:
    store, model = turning_car(40), random_model()
    signals, errors = rollout_signals(model, store, STAGE)  # type: ignore[arg-type]
    assert signals.shape == (len(errors), len(FULL_SIGNALS))
    assert len(errors) <= 5 * 6
    assert ((errors > 100) & (errors < 255**2)).all()  # of noise, in grey levels
    assert (signals[:, [0, 1, 3, 4]] > 0).all()
    train_trust(model, store, STAGE, tmp_path)  # type: ignore[arg-type]
    again = random_model()
    train_trust(again, store, replace(STAGE, num_starts=1), tmp_path)  # type: ignore[arg-type]
    assert torch.equal(again.trust.weight, model.trust.weight)  # it was done
    assert torch.equal(again.full_trust.weight, model.full_trust.weight)
    (tmp_path / "full_trust.safetensors").unlink()  # a run from before there was one
    train_trust(again, store, replace(STAGE, num_starts=1), tmp_path)  # type: ignore[arg-type]
    assert not torch.equal(again.full_trust.weight, model.full_trust.weight)


def test_a_recorded_frame_is_believed_and_one_sampling_step_has_no_instability() -> None:
    model = random_model()
    model.trust.weight.fill_(1.0)
    model.trust.bias.zero_()
    state = model.begin([random_clip()], [0])
    start = model.read(state).trust.trust[0]
    after, prediction = model.step(state, CONTROL)
    assert start > 0.99
    assert 0 <= prediction.trust.trust[0] < start
    one, prediction = model.step(state, CONTROL, num_steps=1)
    assert torch.isnan(one.latent.signals[0, 0])
    assert torch.isfinite(after.latent.signals).all()
    assert np.isfinite([value[0] for value in prediction.trust.signals.values()]).all()

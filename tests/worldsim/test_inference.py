"""Faster ways to run a model: near to the plain one, told apart from it, refused where they cannot be."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from places import environment
from tiny_model import CONTROL, random_clip, random_model

from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.serialization import read_snapshot, write_snapshot
from worldsim.inference import Backend, Replayed, is_one_step, map_tensors, set_backend, tensors_of
from worldsim.networks.layers import KeyValue
from worldsim.world_model import WorldModel

COMPILED = """
from dataclasses import replace
import numpy as np, torch
from tiny_model import CONFIG, CONTROL, random_clip, woken
from worldsim.inference import set_backend
from worldsim.world_model import WorldModel
torch.set_num_threads(1)
torch.manual_seed(0)
plain = woken(WorldModel(replace(CONFIG, dit=replace(CONFIG.dit, depth=1))))
compiled = WorldModel(plain.config).eval().requires_grad_(False)
compiled.load_state_dict(plain.state_dict())
set_backend(compiled, "compiled")
a, b = (model.begin([random_clip()], [3]) for model in (plain, compiled))
assert torch.equal(a.latent.latents, b.latent.latents)
for _ in range(2):
    a, seen = plain.step(a, CONTROL)
    b, also = compiled.step(b, CONTROL)
    assert np.abs(seen.frames.astype(int) - also.frames).max() <= 1
torch.testing.assert_close(a.latent.latents, b.latent.latents, atol=1e-4, rtol=1e-4)
"""


def test_int8_weights_stay_near_and_are_smaller() -> None:
    plain, small = random_model(), set_backend(random_model(), "int8")
    assert not any(isinstance(m, torch.nn.Linear) for m in small.denoiser.dit.blocks.modules())
    a, b = (model.begin([random_clip()], [3]) for model in (plain, small))
    for _ in range(3):
        a, seen = plain.step(a, CONTROL)
        b, also = small.step(b, CONTROL)
    assert seen.frames is not None
    assert also.frames is not None
    difference = np.abs(seen.frames.astype(int) - also.frames)
    assert 0 < difference.mean() < 2
    torch.testing.assert_close(a.latent.latents, b.latent.latents, atol=0.1, rtol=0.1)


def test_bfloat16_stays_near_and_keeps_float32_states() -> None:
    plain, short = random_model(), set_backend(random_model(), "bf16")
    a, b = (model.begin([random_clip()], [3]) for model in (plain, short))
    for _ in range(3):
        a, seen = plain.step(a, CONTROL)
        b, also = short.step(b, CONTROL)
    assert seen.frames is not None
    assert also.frames is not None
    difference = np.abs(seen.frames.astype(int) - also.frames)
    assert 0 < difference.mean() < 2
    torch.testing.assert_close(a.latent.latents, b.latent.latents, atol=0.1, rtol=0.1)
    assert {t.dtype for t in tensors_of(b.latent)} == {t.dtype for t in tensors_of(a.latent)}


def test_bfloat16_rounds_weights_once_where_nothing_else_needs_them() -> None:
    model = set_backend(random_model(), "bf16")
    assert model.vae.decoder_stem.surfaces.weight.dtype == model.denoiser.dit.stem_in.weight.dtype == torch.bfloat16
    assert model.vae.encoder_stem.surfaces.weight.dtype == torch.float32
    digests = {LearnedWorld(model=one, starts=()).config_digest for one in (model, random_model())}
    assert len(digests) == 2


def test_trees_of_tensors_are_mapped() -> None:
    one = torch.ones(2)
    tree = (one, None, KeyValue(one, 2 * one), (3, one), {"not": one})
    assert [t.sum().item() for t in tensors_of(tree)] == [2, 2, 4, 2]
    mapped = map_tensors(tree, lambda t: t + 1)
    assert isinstance(mapped[2], KeyValue)
    assert mapped[2].values.tolist() == [3, 3]
    assert mapped[1] is None
    assert mapped[3][0] == 3


def test_only_a_frame_of_a_drive_is_recorded() -> None:
    runs: list[int] = []

    def double(x: torch.Tensor) -> torch.Tensor:
        runs.append(x.shape[1])
        return 2 * x

    replayed = Replayed(double, is_one_step)
    assert torch.equal(replayed(torch.ones(1, 3)), 2 * torch.ones(1, 3))
    assert runs == [3]
    assert not replayed.recorded


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_graphs_give_what_bfloat16_gives() -> None:
    """From a short context on, so that the cache grows; then two slots, then one again."""
    eager, replayed = (set_backend(random_model().to("cuda"), backend) for backend in ("bf16", "graphs"))
    for clips, seeds in (([random_clip()], [3]), ([random_clip(), random_clip()], [4, 5]), ([random_clip()], [6])):
        a, b = (model.begin(clips, seeds) for model in (eager, replayed))
        controls = np.repeat(CONTROL, len(clips), axis=0)
        for _ in range(6):
            a, seen = eager.step(a, controls)
            b, also = replayed.step(b, controls)
            assert seen.frames is not None
            assert also.frames is not None
            assert np.abs(seen.frames.astype(int) - also.frames).max() <= 2
        torch.testing.assert_close(a.latent.latents, b.latent.latents, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("backend", ["int8", "bf16"])
def test_states_of_another_backend_are_not_those_of_a_plain_one(backend: Backend, tiny_checkpoint: Path) -> None:
    plain, small = (LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint, backend=b)) for b in ("plain", backend))
    small.reset(seed=0, options={})
    small.step(CONTROL[0])
    state = write_snapshot(small)
    first = small.step(CONTROL[0]).latent
    small.restore(read_snapshot(small, state))
    again = small.step(CONTROL[0]).latent
    assert first is not None
    assert again is not None
    assert np.array_equal(first, again)
    with pytest.raises(ValueError, match="another world"):
        read_snapshot(plain, state)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="one of plain, compiled, int8, bf16, graphs, got 'fast'"):
        LearnedWorldConfig(backend="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="for the CPU, got device 'cuda'"):
        LearnedWorldConfig(backend="int8", device="cuda")
    with pytest.raises(ValueError, match="graphs are CUDA's, got device 'cpu'"):
        LearnedWorldConfig(backend="graphs")


def test_convolutions_are_loaded_channels_last(tiny_checkpoint: Path) -> None:
    weight = WorldModel.load(tiny_checkpoint).vae.decoder_4x[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_networks_give_the_same_frames() -> None:
    """In a process of its own, without the hook that checks shapes."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr[-3000:]

"""`drivedit benchmark`: the speed table of this machine. Ratios are measured side by side in one run."""

from __future__ import annotations

import copy
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from envs.registration import make_learned_vector_env
from training.benchmark_table import BATCH_SIZES, table
from training.evaluation.timing import median_seconds
from training.road_benchmark import road_rows
from training.side_by_side import COLD, cold_start_seconds, compare
from worldsim.atomic_files import atomic_path
from worldsim.conditioning.latent_conditions import NUM_CONDITION_CHANNELS, still_grid
from worldsim.datatypes.scene import control_from_action
from worldsim.datatypes.starts import STARTS_NAME, load_starts
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.dynamics.denoiser import shift_previous
from worldsim.dynamics.rollout import prefill, select_frames
from worldsim.inference import Backend, set_backend
from worldsim.model_state import ModelState
from worldsim.networks.dit import Conditions
from worldsim.option_checks import check_options
from worldsim.world_model import DEFAULT_CHECKPOINT, WorldModel

ACTION = (0.02, 0.6)
"""An env's action under which a drive goes on: the throttle must overcome the resistance of a car at rest."""
CONTROL = control_from_action(ACTION)
CIRCLE_STEER, CIRCLE_SPEED = 0.3, 5.0
"""A steer and a speed [m/s] at which a drive goes on for ever and keeps seeing other views: its memory fills."""


def _attention_flops(query: list[int], key: list[int], value: list[int], *_: object, **__: object) -> int:
    return sdpa_flop_count(query, key, value)


_CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
"""What torch's counter leaves out on a CPU."""


Group = Literal[
    "step", "trust", "variants", "late", "cache", "state", "vector", "road", "cold",
    "beside-step", "beside-vector", "beside-imagine", "beside-memory", "beside-cold",
]  # fmt: skip
"""Rows that are measured together; the last five need another checkout."""
_BESIDE: dict[Group, str] = {
    "beside-step": "step_seconds",
    "beside-vector": "vector_seconds",
    "beside-imagine": "imagine_seconds",
    "beside-memory": "env_bytes",
    "beside-cold": COLD,
}
"""What `compare` calls them."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What is measured.

    Args:
        checkpoint: folder of the model, None for the default world.
        out: file for the JSON, None for none.
        device: torch device.
        num_threads: of torch for the multi-threaded rows, None for all cores.
        repeats: timed steps per row.
        late_step: number of the step that is held against step 30.
        compiled: also measure a step of compiled networks, which takes minutes to compile.
        beside: root of another checkout of this project, as of an older version, to measure against by turns.
        only: groups of rows to measure, each in a minute or two; none for all.

    Raises:
        ValueError: late_step or repeats are too small, or rows of `beside` are asked for without it.
    """

    checkpoint: Path | None = None
    out: Path | None = None
    device: str = "cpu"
    num_threads: int | None = None
    repeats: int = 30
    late_step: int = 6000
    compiled: bool = False
    beside: Path | None = None
    only: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        check_options(self)
        if self.late_step <= 30:
            raise ValueError(f"late_step must be later than step 30, got {self.late_step}")
        if self.repeats < 3:
            raise ValueError(f"repeats must be at least 3, got {self.repeats}")
        against = [group for group in self.only if group in _BESIDE]
        if against and self.beside is None:
            raise ValueError(f"only={', '.join(against)} compares with another checkout: give its folder as beside")

    def wants(self, group: Group) -> bool:
        """Whether these rows are measured."""
        return group in self.only if self.only else group not in _BESIDE or self.beside is not None


def _begin(model: WorldModel, checkpoint: Path | None, full_signals: bool = False) -> ModelState:
    starts = load_starts((checkpoint or DEFAULT_CHECKPOINT) / STARTS_NAME)
    return model.begin(starts[:1], [0], full_signals=full_signals)


def _steps(model: WorldModel, state: ModelState, num: int) -> ModelState:
    for _ in range(num):
        state, _ = model.step(state, CONTROL[None])
    return state


def _circle(model: WorldModel, state: ModelState) -> np.ndarray:
    """The control float32 [1, 4] that keeps a drive on its circle at its speed."""
    speed = state.tracked.vehicles[:, VehicleColumn.SPEED]
    pedal = model.config.vehicle.acceleration_command(CIRCLE_SPEED - speed, speed)
    return control_from_action(np.stack([np.full(len(pedal), CIRCLE_STEER), pedal], axis=-1))


def _go_in_circles(model: WorldModel, state: ModelState, num: int) -> tuple[ModelState, float]:
    """The state after `num` steps, and how far it has come in them [m]."""
    distance = 0.0
    for _ in range(num):
        state, _ = model.step(state, _circle(model, state))
        distance += model.config.dt * float(state.tracked.vehicles[0, VehicleColumn.SPEED])
    return state, distance


def step_rows(model: WorldModel, state: ModelState, config: BenchmarkConfig) -> dict[str, float]:
    """Cost of one env step, everything included, and of the machine's own matrix product beside it."""
    with FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION) as counter:
        model.step(state, CONTROL[None])
    gflop = counter.get_total_flops() / 1e9

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cpu = median_seconds(lambda: model.step(state, CONTROL[None]), config.repeats, time.process_time)
    torch.set_num_threads(config.num_threads or os.cpu_count() or 1)
    wall = median_seconds(lambda: model.step(state, CONTROL[None]), config.repeats)
    one = median_seconds(lambda: model.step(state, CONTROL[None], num_steps=1), config.repeats)
    blind = median_seconds(lambda: model.step(state, CONTROL[None], decode=False), config.repeats)

    a = torch.randn(768, 768, device=state.latent.latents.device)
    product = median_seconds(lambda: (a @ a).sum().item(), config.repeats)
    torch.set_num_threads(threads)
    peak = 2 * 768**3 / product / 1e9
    return {
        "step_gflop": gflop,
        "step_cpu_seconds_one_thread": cpu,
        "steps_per_second": 1 / wall,
        "steps_per_second_one_sampling_step": 1 / one,
        "steps_per_second_without_decoding": 1 / blind,
        "matrix_product_gflops": peak,
        "fraction_of_matrix_product": gflop / wall / peak,
    }


def trust_rows(model: WorldModel, config: BenchmarkConfig) -> dict[str, float]:
    """CPU seconds of a step with full signals of trust over those of one with the free ones, one thread."""
    times = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for full in (True, False):
        state = _steps(model, _begin(model, config.checkpoint, full), 2)
        times.append(median_seconds(partial(model.step, state, CONTROL[None]), config.repeats, time.process_time))
    torch.set_num_threads(threads)
    return {"step_full_trust_over_free": times[0] / times[1]}


def variant_rows(model: WorldModel, config: BenchmarkConfig) -> dict[str, float]:
    """A step by kind of attention (weights of the other kind mean nothing, but cost the same), with bfloat16 networks,
    on a CPU with int8 weights, on a GPU as CUDA graphs, and compiled if that is asked for. CPU seconds of one thread,
    on a GPU steps per second."""
    makes: dict[str, Callable[[], WorldModel]] = {}
    if model.config.dit.depth % 2 == 0:
        makes |= {kind: partial(_with_attention, model, kind) for kind in ("joint", "factorised")}
    on_cpu = config.device == "cpu"
    backends: list[Backend] = ["bf16", "int8"] if on_cpu else ["bf16", "graphs"]
    if config.compiled:
        backends.append("compiled")
    makes |= {backend: partial(set_backend, copy.deepcopy(model), backend) for backend in backends}

    rows = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, make in makes.items():
        variant = make()
        state = _steps(variant, _begin(variant, config.checkpoint), 2)
        step = partial(variant.step, state, CONTROL[None])
        if on_cpu:
            rows[f"step_cpu_seconds_{name}"] = median_seconds(step, config.repeats, time.process_time)
        else:
            rows[f"steps_per_second_{name}"] = 1 / median_seconds(step, config.repeats)
    torch.set_num_threads(threads)
    return rows


def _with_attention(model: WorldModel, kind: Literal["joint", "factorised"]) -> WorldModel:
    """The same weights in a network with that kind of attention."""
    dit = replace(model.config.dit, attention=kind)
    other = WorldModel(replace(model.config, dit=dit)).to(model.device)
    other.load_state_dict(model.state_dict())
    other.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return other.eval().requires_grad_(False)


def latency_rows(model: WorldModel, state: ModelState, config: BenchmarkConfig) -> dict[str, float]:
    """A late step over step 30, in CPU seconds."""
    early, _ = _go_in_circles(model, state, 30)
    late, distance = _go_in_circles(model, early, config.late_step - 30)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(config.repeats):  # by turns: a machine that others use too is not equally fast all the time
        for one, found in zip((early, late), times, strict=True):
            control = _circle(model, one)
            start = time.process_time()
            model.step(one, control)
            found.append(time.process_time() - start)
    return {
        "late_step_over_step_30": statistics.median(times[1]) / statistics.median(times[0]),
        "late_kilometres": distance / 1000,
    }


@torch.no_grad()
def cache_rows(model: WorldModel, config: BenchmarkConfig, num_frames: int = 16) -> dict[str, float]:
    """One cached pass of a frame against a pass over a window of 16 frames, and how far their tokens are apart."""
    denoiser, device = model.denoiser, model.device
    generator = torch.Generator().manual_seed(0)
    c, (h, w) = model.config.vae.latent_channels, model.config.latent_size
    latents = torch.randn((1, num_frames, c, h, w), generator=generator).to(device)
    one = torch.zeros(1, num_frames, device=device)
    conditions = Conditions(
        controls=one[..., None].expand(-1, -1, 4),
        motions=one[..., None].expand(-1, -1, 6),
        commands=one.long(),
        known=one == 0,
        surfaces=torch.zeros(1, num_frames, NUM_CONDITION_CHANNELS, h, w, device=device),
        grid=torch.from_numpy(still_grid(h, w)).to(device).expand(1, num_frames, -1, -1, -1),
        visible=torch.ones(1, num_frames, h, w, device=device),
        style=torch.zeros(1, num_frames, model.config.vae.style_width, device=device),
    )
    previous = shift_previous(latents, model.config.dit.num_previous)

    # the first 15 frames fill the cache, the last one is timed
    ones = torch.ones(1, num_frames, device=device)
    times = torch.arange(num_frames, device=device)
    past = prefill(denoiser, latents[:, :-1], select_frames(conditions, slice(0, num_frames - 1)))
    last = select_frames(conditions, slice(num_frames - 1, num_frames))
    room = tuple(kv.with_room(denoiser.dit.grid[0] * denoiser.dit.grid[1]) for kv in past.cache)

    def full() -> torch.Tensor:
        return denoiser(latents, ones, previous, conditions, times).data

    def cached() -> torch.Tensor:
        return denoiser(latents[:, -1:], ones[:, -1:], previous[:, -1:], last, times[-1:], room).data

    difference = (full()[:, -1:] - cached()).abs().max().item()
    slow, fast = median_seconds(full, max(3, config.repeats // 3)), median_seconds(cached, config.repeats)
    return {"cache_speedup": slow / fast, "cache_difference": difference}


def state_rows(model: WorldModel, state: ModelState, config: BenchmarkConfig) -> dict[str, float]:
    """Snapshot time, and how far slot 0 of a batch of 4 is from the batch of 1 after 10 steps."""
    snapshot = median_seconds(state.copy, config.repeats)
    many = state.take([0, 0, 0, 0])
    for _ in range(10):
        many, wide = model.step(many, np.repeat(CONTROL[None], 4, axis=0))
        state, narrow = model.step(state, CONTROL[None])
    assert wide.frames is not None
    assert narrow.frames is not None
    levels = np.abs(wide.frames[0].astype(int) - narrow.frames[0]).max()
    return {"snapshot_ms": 1000 * snapshot, "slot_difference_levels": float(levels)}


def vector_rows(config: BenchmarkConfig) -> dict[str, float]:
    """Env steps per second, all envs together, of batches of several sizes."""
    rows = {}
    for n in BATCH_SIZES:
        env = make_learned_vector_env(n, checkpoint=config.checkpoint, device=config.device)
        env.reset(seed=0)
        actions = np.tile(np.array(ACTION, np.float32), (n, 1))
        rows[f"steps_per_second_of_{n}"] = n / median_seconds(lambda: env.step(actions), max(3, config.repeats // n))  # noqa: B023
    return rows


def cold_rows() -> dict[str, float]:
    """The best of two cold starts: files are in the system's memory at the second."""
    clock, cpu = zip(*(cold_start_seconds() for _ in range(2)), strict=True)
    return {"cold_start_seconds": min(clock), "cold_start_cpu_seconds": min(cpu)}


def benchmark(config: BenchmarkConfig) -> dict[str, float]:
    """Measure, print the table, and return it."""
    model = WorldModel.load(config.checkpoint, config.device)
    torch.set_num_threads(config.num_threads or os.cpu_count() or 1)
    state = _steps(model, _begin(model, config.checkpoint), 10)
    measures: dict[Group, Callable[[], dict[str, float]]] = {
        "step": lambda: step_rows(model, state, config),
        "trust": lambda: trust_rows(model, config),
        "variants": lambda: variant_rows(model, config),
        "late": lambda: latency_rows(model, state, config),
        "cache": lambda: cache_rows(model, config),
        "state": lambda: state_rows(model, state, config),
        "vector": lambda: vector_rows(config),
        "road": road_rows,
        "cold": cold_rows,
    }
    rows: dict[str, float] = {"repeats": config.repeats}
    for group, measure in measures.items():
        if config.wants(group):
            rows |= measure()
    names = [name for group, name in _BESIDE.items() if config.wants(group)]
    if config.beside is not None and names:
        rows |= compare(config.beside, config.repeats, bfloat16=config.device == "cpu", names=names)
    print(table(rows))
    if config.out is not None:
        with atomic_path(config.out) as temporary:
            temporary.write_text(json.dumps(rows, indent=2) + "\n")
    return rows

"""The one training loop: AdamW, warm-up and cosine, EMA, clipping, mixed precision, TensorBoard, exact resume, many
processes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from training.stages.distributed import average_gradients, is_first, step_seed, wait_for_all
from training.stages.interrupts import put_off_interrupts
from training.stages.precision import Precision
from training.stages.randomness import seeded
from worldsim.checkpoint import load_tensors, load_weights, save_tensors, save_weights

LossFunction = Callable[[int, torch.Generator], dict[str, Tensor]]
"""(step, generator) to named values; the one called "loss" is minimised, the others are logged."""


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How a stage is optimised.

    Args:
        num_steps: optimiser steps.
        learning_rate: after warm-up.
        final_learning_rate: fraction of learning_rate that cosine decay ends at.
        warmup_steps: linear warm-up.
        weight_decay: of matrices; vectors are not decayed.
        clip_norm: gradient norm limit.
        ema_decay: of the averaged weights, which are what a stage hands on.
        save_every: steps between resumable checkpoints.
        log_every: steps between TensorBoard points.
        seed: step k draws from a generator seeded with (seed, k), so that a resumed run repeats an uninterrupted one;
            of many processes each draws its own, and the batch of a step is that of all of them together.
        precision: that losses are calculated in; weights, gradients and the optimiser are always float32. None: that
            of the run; outside of a run float32 on a CPU, bfloat16 on a GPU.
    """

    num_steps: int
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.02
    warmup_steps: int = 50
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.995
    save_every: int = 100
    log_every: int = 10
    seed: int = 0
    precision: Precision | None = None

    def __post_init__(self) -> None:
        for name in ("num_steps", "learning_rate", "clip_norm", "save_every", "log_every"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then cosine decay."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, self.num_steps - self.warmup_steps)
        low = self.final_learning_rate
        return self.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of one step, on the CPU."""
    return torch.Generator().manual_seed(step_seed(seed, step))


class TrainLoop:
    """Trains a module's parameters and keeps everything needed to go on in `folder`.

    A resumed run repeats an uninterrupted one to the bit. So a step may read and write nothing that is not kept: the
    module's parameters and buffers and `carried`. It may draw random numbers from anywhere: those that come from global
    generators, dropout's for example, follow (seed, step) too.

    Args:
        module: its trainable parameters are optimised in place.
        loss_function: see LossFunction.
        folder: gets model, ema, optimiser and TensorBoard files.
        carried: tensors that loss_function writes in place from step to step; saved and resumed with the rest.
        rates: factors of the learning rate, by the beginning of the parameters' names; 1 for those not named.
    """

    def __init__(
        self,
        module: nn.Module,
        loss_function: LossFunction,
        config: LoopConfig,
        folder: Path,
        carried: dict[str, Tensor] | None = None,
        rates: dict[str, float] | None = None,
    ) -> None:
        self.module, self.loss_function, self.config, self.folder = module, loss_function, config, folder
        self.carried = carried or {}
        self.parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, p in self.parameters.items():
            factor = next((rate for prefix, rate in (rates or {}).items() if name.startswith(prefix)), 1.0)
            groups.setdefault((factor, config.weight_decay if p.dim() > 1 else 0.0), []).append(p)
        self.optimizer = torch.optim.AdamW(
            [{"params": ps, "weight_decay": decay, "rate": rate} for (rate, decay), ps in groups.items()],
            lr=config.learning_rate,
            betas=(0.9, 0.98),
        )
        self.ema = {n: p.detach().clone() for n, p in self.parameters.items()}
        self.step = 0

    @property
    def _optimizer_path(self) -> Path:
        return self.folder / "optimizer.safetensors"

    def save(self) -> None:
        """Write the resumable state. Of many processes only the first one's `carried` is kept, for all."""
        if not is_first():
            return
        tensors = {"step": torch.tensor(self.step)}
        for name, p in self.parameters.items():
            tensors[f"ema/{name}"] = self.ema[name].cpu()
            tensors[f"weight/{name}"] = p.detach().cpu().clone()
            for key, value in self.optimizer.state[p].items():  # none while the parameter has had no gradient
                tensors[f"{key}/{name}"] = value.detach().cpu().clone()
        tensors |= {f"buffer/{name}": value.detach().cpu().clone() for name, value in self.module.named_buffers()}
        tensors |= {f"carried/{name}": value.cpu().clone() for name, value in self.carried.items()}
        save_tensors(tensors, self._optimizer_path)

    def resume(self) -> bool:
        """Go on from what `save` wrote; False when there is nothing."""
        if not self._optimizer_path.is_file():
            return False
        tensors = load_tensors(self._optimizer_path)
        names = {key.split("/", 1)[1] for key in tensors if key.startswith("weight/")}
        if names != set(self.parameters):
            odd = sorted(names ^ set(self.parameters))[:3]
            raise ValueError(f"{self._optimizer_path} belongs to another model: {', '.join(odd)} differ")
        with torch.no_grad():
            for name, p in self.parameters.items():
                p.copy_(tensors[f"weight/{name}"])
                self.ema[name].copy_(tensors[f"ema/{name}"])
                if f"step/{name}" in tensors:
                    self.optimizer.state[p] = {
                        "step": tensors[f"step/{name}"],
                        "exp_avg": tensors[f"exp_avg/{name}"].to(p.device),
                        "exp_avg_sq": tensors[f"exp_avg_sq/{name}"].to(p.device),
                    }
            others = {f"buffer/{name}": value for name, value in self.module.named_buffers()}
            others |= {f"carried/{name}": value for name, value in self.carried.items()}
            for name, value in others.items():
                if name not in tensors:
                    raise ValueError(f"{self._optimizer_path} was written by another version: it lacks {name}")
                value.copy_(tensors[name])
        self.step = int(tensors["step"])
        return True

    def use_ema(self) -> None:
        """Put the averaged weights into the module."""
        with torch.no_grad():
            for name, p in self.parameters.items():
                p.copy_(self.ema[name])

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the named values."""
        config, device = self.config, next(iter(self.parameters.values())).device
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * config.learning_rate_at(self.step)
        precision = config.precision or ("bfloat16" if device.type == "cuda" else "float32")
        with seeded(step_seed(config.seed, self.step)):
            # no cache: weights that were cast for rollouts, without gradients, must not serve the loss
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
                values = self.loss_function(self.step, step_generator(config.seed, self.step))
            loss = values["loss"]
            if not torch.isfinite(loss):
                raise ValueError(f"loss is {loss.item()} at step {self.step}: lower learning_rate or resume")
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # draws again where activations are recomputed
        average_gradients(self.parameters.values())
        norm = nn.utils.clip_grad_norm_(list(self.parameters.values()), config.clip_norm)
        self.optimizer.step()

        # a young average must not be that of random weights
        decay = min(config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, p in self.parameters.items():
                self.ema[name].lerp_(p, 1 - decay)
        self.step += 1
        return {**{n: float(v.detach()) for n, v in values.items()}, "gradient_norm": float(norm)}

    def run(self, title: str) -> None:
        """Train to the end, resuming if there is something to resume; ends with the averaged weights in the module.

        Ctrl-C and SIGTERM wait for the step to end and save, then interrupt; a second one interrupts at once.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resume()
        self.module.train()
        smooth: dict[str, float] = {}
        bar = tqdm(
            total=self.config.num_steps,
            initial=self.step,
            desc=title,
            unit="step",
            mininterval=1.0,
            disable=not is_first(),
        )
        with (
            SummaryWriter(str(self.folder / "log")) if is_first() else nullcontext() as writer,
            bar,
            put_off_interrupts() as interrupt,
        ):
            while self.step < self.config.num_steps and not interrupt.asked:
                started = time.perf_counter()
                values = self.train_step()
                values["seconds"] = time.perf_counter() - started
                for name, value in values.items():
                    smooth[name] = value if name not in smooth else 0.95 * smooth[name] + 0.05 * value
                bar.update()
                if self.step % self.config.log_every == 0:
                    self._log(values, smooth, bar, writer)
                if self.step % self.config.save_every == 0 and self.step < self.config.num_steps:
                    self.save()
            if self.step:
                self.save()
            if interrupt.asked:
                raise KeyboardInterrupt
        self.use_ema()
        self.module.eval()

    def _log(self, names: Iterable[str], smooth: dict[str, float], bar: tqdm, writer: SummaryWriter | None) -> None:
        """Show the values of this step's names, and write all."""
        shown = {name: f"{smooth[name]:.3f}" for name in names if name != "gradient_norm"}
        bar.set_postfix(shown, refresh=False)
        if writer is not None:
            for name, value in smooth.items():
                writer.add_scalar(name, value, self.step)


def finish_stage(module: nn.Module, path: Path) -> None:
    """Write a stage's result; its presence means the stage is done."""
    if is_first():
        save_weights(module, path)
    wait_for_all()


def stage_done(module: nn.Module, path: Path) -> bool:
    """True, with the result loaded into `module`, if the stage finished before."""
    done = path.is_file()
    wait_for_all()  # all have checked before one of them may write
    if done:
        load_weights(module, path)
        module.eval()  # as training leaves it
    return done

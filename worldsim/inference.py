"""Ways to make a loaded model step faster: compiled networks, int8 weights, bfloat16, CUDA graphs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from worldsim.world_model import WorldModel

Backend = Literal["plain", "compiled", "int8", "bf16", "graphs"]
"""How a model runs. "compiled": its networks go through torch.compile, which needs a C++ compiler on a CPU and takes
minutes at the first step, and again for every new number of slots. "int8": the weights of the transformer's linear
layers are kept in 8 bits and their inputs rounded to 8 bits as they come (CPU only). "bf16": its networks compute in
bfloat16 where torch's autocast holds that to be safe, and keep their weights so, states stay in float32; five times
slower on a CPU that has no instructions for it. "graphs": that, and what a step launches is recorded once as CUDA
graphs and replayed, again for every new number of slots (CUDA only). All but the first change the numbers a little."""

WARM_UPS = 3
"""Calls before a graph is recorded, in which libraries choose their kernels and take their memory."""


def check_backend(backend: str, device: str) -> None:
    """Refuse what cannot be.

    Raises:
        ValueError: no such backend, or not on this device.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}")
    if backend == "int8" and not device.startswith("cpu"):
        raise ValueError(f"int8 weights are for the CPU, got device {device!r}")
    if backend == "graphs" and not device.startswith("cuda"):
        raise ValueError(f"graphs are CUDA's, got device {device!r}")


def set_backend(model: WorldModel, backend: Backend) -> WorldModel:
    """Change how `model` runs, in place, and return it.

    Raises:
        ValueError: see `check_backend`.
    """
    check_backend(backend, str(model.device))
    if backend == "compiled":
        _compile(model)
    elif backend == "int8":
        _quantise(model)
    elif backend in ("bf16", "graphs"):
        _run_in_bfloat16(model, graphs=backend == "graphs")
    return model


def _compile(model: WorldModel) -> None:
    options: Any = {"freezing": True} if model.device.type == "cpu" else {}
    model.denoiser.dit.compile(dynamic=False, options=options)
    model.reader.compile(dynamic=False, options=options)
    decode = torch.compile(model.vae.decode, dynamic=False, options=options)
    model.vae.decode = decode  # pyright: ignore[reportAttributeAccessIssue]
    eagerly = torch.compiler.set_stance("force_eager")  # a context is passed once, and may have any length
    model.begin = eagerly(model.begin)  # pyright: ignore[reportAttributeAccessIssue]
    model.begin_pictures = eagerly(model.begin_pictures)  # pyright: ignore[reportAttributeAccessIssue]


def _quantise(model: WorldModel) -> None:
    with warnings.catch_warnings():  # torch would rather see torchao, which is one more package
        warnings.simplefilter("ignore")
        torch.ao.quantization.quantize_dynamic(model.denoiser.dit.blocks, {nn.Linear}, dtype=torch.qint8, inplace=True)


def _run_in_bfloat16(model: WorldModel, *, graphs: bool) -> None:
    networks = (
        (model.denoiser.dit, "forward", is_one_step),
        (model.reader, "forward", _is_anything),
        (model.vae, "decode", _is_anything),
    )
    # autocast would round the weights anew in each call
    vae = [part for name, part in model.vae.named_children() if name.startswith(("decoder_", "fine_"))]
    for network in (model.denoiser.dit, model.reader, *vae):
        for part in network.modules():
            if isinstance(part, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                part.to(torch.bfloat16)
    for module, name, recordable in networks:
        run = partial(_in_bfloat16, getattr(module, name), model.device.type)
        setattr(module, name, Replayed(run, recordable) if graphs else run)


def map_tensors(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """`tree`, of tuples and dataclasses, with `function` applied to each of its tensors; all else stays."""
    if isinstance(tree, Tensor):
        return function(tree)
    if is_dataclass(tree) and not isinstance(tree, type):
        return type(tree)(**{f.name: map_tensors(getattr(tree, f.name), function) for f in fields(tree)})
    if isinstance(tree, tuple):
        parts = [map_tensors(part, function) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return tree


def tensors_of(tree: Any) -> list[Tensor]:
    """The tensors of a tree, in a fixed order."""
    found: list[Tensor] = []
    map_tensors(tree, found.append)
    return found


def _in_bfloat16(function: Callable[..., Any], device: str, *args: Any) -> Any:
    with torch.autocast(device, torch.bfloat16, cache_enabled=False):
        return map_tensors(function(*args), lambda t: t.float() if t.is_floating_point() else t)


def is_one_step(tree: tuple[Any, ...]) -> bool:
    """Whether these are arguments of a frame's step; a context has many frames, and is passed once a drive."""
    return tensors_of(tree)[0].shape[1] == 1


def _is_anything(tree: tuple[Any, ...]) -> bool:
    """Of networks that run in steps alone."""
    return True


MOST_GRAPHS = 24
"""Recorded at a time of one network; the oldest is given up, since each holds memory of its own."""


class Replayed:
    """A function of tensors that is recorded as a CUDA graph for each new set of shapes, and then replayed.

    It must not look at the values of its arguments. What it returns is a copy, and it writes into copies of its
    arguments.

    Args:
        function: takes and returns trees as `map_tensors` knows them.
        recordable: of its arguments; other calls run as they are.
    """

    def __init__(self, function: Callable[..., Any], recordable: Callable[[tuple[Any, ...]], bool]) -> None:
        self.function, self.recordable = function, recordable
        self.recorded: dict[Any, tuple[torch.cuda.CUDAGraph, Any, Any]] = {}

    def __call__(self, *args: Any) -> Any:
        """What the function returns for `args`."""
        if not self.recordable(args):
            return self.function(*args)
        shapes = map_tensors(args, lambda t: (tuple(t.shape), t.dtype))
        with torch.cuda.device(tensors_of(args)[0].device):
            if shapes not in self.recorded:
                if len(self.recorded) == MOST_GRAPHS:
                    self.recorded.pop(next(iter(self.recorded)))
                self.recorded[shapes] = self._record(map_tensors(args, Tensor.clone))
            graph, inputs, outputs = self.recorded[shapes]
            for kept, new in zip(tensors_of(inputs), tensors_of(args), strict=True):
                kept.copy_(new)
            graph.replay()
            return map_tensors(outputs, Tensor.clone)

    def _record(self, inputs: Any) -> tuple[torch.cuda.CUDAGraph, Any, Any]:
        """A graph, and the tensors that it reads and writes."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self.function(*inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self.function(*inputs)
        return graph, inputs, outputs

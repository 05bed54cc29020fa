"""Road users where a test puts them, the road ahead of them, and models that move them."""

import numpy as np
import torch
from lane_layouts import tee

from worldsim.actors.actor_model import ActorModel
from worldsim.actors.actors import (
    ACTOR_NAMES,
    COLOR,
    HABITS,
    TRAIT_NAMES,
    Actors,
    TraitColumn,
)
from worldsim.actors.lane_graph import LaneGraph, Streets
from worldsim.actors.route_frame import RouteFrame
from worldsim.configs import ActorConfig
from worldsim.datatypes.route import Routes, preview_routes

EGO = np.array([[0.0, 0.0, 0.0, 5.0, 0.0, 0.0]])


def actor(x: float, y: float, yaw: float = 0.0, speed: float = 5.0, drives: float = 1.0) -> np.ndarray:
    return np.array([x, y, yaw, speed, 4.4, 1.8, 0.0, drives, np.nan, 0.0])


def actors(*rows: np.ndarray, kinds: tuple[int, ...] = ()) -> Actors:
    states = np.zeros((1, 12, len(ACTOR_NAMES)))
    states[0, : len(rows)] = rows
    kind = np.zeros((1, 12), np.int64)
    kind[0, : len(rows)] = kinds or 1
    traits = np.zeros((1, 12, len(TRAIT_NAMES)))
    traits[..., COLOR], traits[..., TraitColumn.ID], traits[..., TraitColumn.WAY] = 0.5, np.arange(12), np.arange(12)
    traits[..., TraitColumn.RECURS], traits[..., HABITS] = kind > 0, (0.9, 1.5)
    return Actors(states=states, kinds=kind, vacant=np.zeros((1, 12), bool), traits=traits)


def straight(y: float = 0.0) -> RouteFrame:
    route = Routes.stack([np.stack([np.arange(-5.0, 120.0), np.full(125, y)], axis=-1)])
    return RouteFrame.from_preview(preview_routes(route, EGO, np.zeros(1, np.int64)))


def turning(radius: float = 15.0) -> RouteFrame:
    angle = np.arange(0.0, 100.0) / radius
    route = np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle))], axis=-1)[: int(radius * 3)]
    return RouteFrame.from_preview(preview_routes(Routes.stack([route]), EGO, np.zeros(1, np.int64)))


def step(
    model: ActorModel, who: Actors, line: RouteFrame, seed: int = 0, overrides: np.ndarray | None = None
) -> Actors:
    return model.step(who, EGO, line, EGO, 0.1, [(seed, 0)], overrides)


def small_actor_model() -> ActorModel:
    """A small model of random weights, whose library of arrivals is empty."""
    torch.manual_seed(0)
    return ActorModel(ActorConfig(width=16, num_arrivals=4)).requires_grad_(False)


def steady_model(acceleration: float) -> ActorModel:
    """A model that always asks for the same acceleration [m/s²], and lets those who may start."""
    steady = small_actor_model()
    for parameter in steady.parameters():
        parameter.zero_()
    steady.network[-1].bias.copy_(torch.tensor([acceleration / 1.5, 0.0, 3.0]))  # type: ignore[union-attr]
    return steady


def by_lanes(model: ActorModel, who: Actors, ego: np.ndarray, num: int) -> list[Actors]:
    """The actors after each of `num` steps on the lanes of a T."""
    streets, found = [Streets(LaneGraph.of(tee()), None, 0.0)], []
    for k in range(num):
        who = model.step(who, ego, straight(), ego, 0.1, [(0, k)], streets=streets)
        found.append(who)
    return found

"""Pictures of a store with what the reader is taught of them, some of them spoilt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from training.data.frame_store import FrameStore, FrameWindows
from training.data.validity import known_of
from training.data.visible_users import stored_visible_users
from worldsim.conditioning.object_grid import GridTargets, ObjectGrid, VisibleObjects
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.scene import LeadColumn, SceneState
from worldsim.networks.scene_reader import CELL_STRIDE, NUM_READ
from worldsim.scene_decoder import EGO_COLUMNS, EGO_SCALE, LANE_SCALE, LEAD_SPEED_SCALE, ROUTE_SCALE


class SceneTargets(NamedTuple):
    """What is true of `n` pictures, standardised as SceneEstimate is, float32; the *_valid say what of it is known.

    ego, ego_valid [n, 2]. lane, lane_valid [n, 4]. route [n, 10, 2], route_valid [n, 10]. lead [n, 2]. lead_present,
    lead_valid, collision, collision_valid, off_road, off_road_valid, objects_valid [n]; lead_valid says whether it is
    known that there is a lead or none, and so on. The rest are those of GridTargets.
    """

    ego: Tensor
    ego_valid: Tensor
    lane: Tensor
    lane_valid: Tensor
    route: Tensor
    route_valid: Tensor
    lead: Tensor
    lead_present: Tensor
    lead_valid: Tensor
    collision: Tensor
    collision_valid: Tensor
    off_road: Tensor
    off_road_valid: Tensor
    objects_valid: Tensor
    near: Tensor
    kind: Tensor
    values: Tensor
    asked: Tensor
    speed_known: Tensor
    counted: Tensor

    def on(self, device: torch.device) -> SceneTargets:
        """The same on `device`."""
        return SceneTargets(*(value.to(device) for value in self))


class SceneBatch(NamedTuple):
    """Frames uint8 [b, NUM_READ, h, w, 3], oldest first, and what is true of the newest."""

    frames: np.ndarray
    targets: SceneTargets


@dataclass(frozen=True, kw_only=True, eq=False)
class MadePictures:
    """Pictures that a world made under recorded controls, of the same places at the same times as recorded ones.

    Args:
        positions: of the recorded frames in the store, int64 [m].
        frames: the made ones, with those before them, uint8 [m, NUM_READ, h, w, 3].
    """

    positions: np.ndarray
    frames: np.ndarray


class ScenePictures:
    """Pictures of a store, with the ones before them, and their targets.

    Args:
        store: the recording.
        config: of the model whose reader is trained.
        folder: gets a file of the road users that are visible; one that is there is read.
        stride: every so manieth frame is one of the pictures: neighbours differ little.
        event_fraction: share of what is drawn that shows a collision or the ego off the road.
    """

    def __init__(
        self, store: FrameStore, config: WorldModelConfig, folder: Path, stride: int = 4, event_fraction: float = 0.1
    ) -> None:
        self.store = store
        self.grid = ObjectGrid(config.camera, config.frame_size, CELL_STRIDE)
        newest = FrameWindows(store, NUM_READ).firsts + NUM_READ - 1
        episodes = np.searchsorted(store.starts, newest, side="right") - 1
        self.positions = newest[(newest - store.starts[episodes]) % stride == stride - 1]
        if not len(self.positions):
            raise ValueError(f"the recording has no episode of {stride} frames, of which each gives one picture")
        self.known = known_of(store.rows.valid)
        self.visible = stored_visible_users(store, self.positions, config.camera, folder / "visible_users.safetensors")
        self._first_object = np.searchsorted(self.visible.pictures, np.arange(len(self.positions) + 1))

        events = (store.rows.collision > 0.5) | (store.rows.off_road > 0.5)
        self._events = np.flatnonzero(events[self.positions])
        self.event_fraction = event_fraction if len(self._events) else 0.0

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.positions)

    def sample(self, batch_size: int, rng: np.random.Generator) -> SceneBatch:
        """`batch_size` pictures, drawn with replacement."""
        return self.at(self.draw(batch_size, rng))

    def draw(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        """Numbers of `batch_size` pictures, drawn with replacement, int64 [b]."""
        chosen = rng.integers(0, len(self.positions), batch_size)
        if self.event_fraction:
            event = rng.choice(self._events, batch_size)
            chosen = np.where(rng.random(batch_size) < self.event_fraction, event, chosen)
        return chosen

    def at(self, chosen: np.ndarray) -> SceneBatch:
        """The pictures of these numbers, int64 [b]."""
        positions = self.positions[chosen]
        frames = np.stack([self.store.frames[k - NUM_READ + 1 : k + 1] for k in positions])
        return SceneBatch(frames, self.targets(chosen))

    def objects(self, chosen: np.ndarray) -> VisibleObjects:
        """The objects in the pictures of these numbers, int64 [b], which they count from 0 on."""
        firsts, ends = self._first_object[chosen], self._first_object[chosen + 1]
        rows = np.concatenate([np.arange(a, b) for a, b in zip(firsts, ends, strict=True)])
        pictures = np.repeat(np.arange(len(chosen)), ends - firsts)
        found = self.visible[rows.astype(np.int64)]
        return VisibleObjects(**vars(found) | {"pictures": pictures})

    def targets(self, chosen: np.ndarray) -> SceneTargets:
        """What is true of the pictures of these numbers, int64 [b]."""
        rows, positions = self.store.rows, self.positions[chosen]
        known = self.known[positions]
        scene: SceneState = rows.scenes[positions]
        cells: GridTargets = self.grid.make_targets(self.objects(chosen), len(chosen))
        gap, lead_speed = scene.lead[..., LeadColumn.GAP], scene.lead[..., LeadColumn.SPEED]
        arrays = {
            "ego": scene.ego[:, EGO_COLUMNS] / EGO_SCALE,
            "ego_valid": scene.ego_valid[:, EGO_COLUMNS],
            "lane": scene.lane / LANE_SCALE,
            "lane_valid": scene.lane_valid,
            "route": scene.route / ROUTE_SCALE,
            "route_valid": scene.route_valid,
            "lead": np.stack([np.log1p(np.maximum(gap, 0)), lead_speed / LEAD_SPEED_SCALE], axis=-1),
            "lead_present": scene.lead_valid,
            "lead_valid": known.lead,
            "collision": rows.collision[positions],
            "collision_valid": known.collision,
            "off_road": rows.off_road[positions],
            "off_road_valid": known.off_road,
            "objects_valid": known.objects,
        }
        tensors = {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}
        return SceneTargets(**tensors, **{n: torch.from_numpy(v) for n, v in cells._asdict().items()})


@dataclass(frozen=True, kw_only=True)
class SpoilConfig:
    """How pictures are spoilt, a stand-in for what worlds get wrong; each with the frames before it alike.

    Args:
        fraction: share of the pictures that are blurred and noisy.
        blur: standard deviation of the blur, up to [px].
        noise: standard deviation of the noise, up to, of values in -1..1; half of it in spots of 4 px.
        light: factors of contrast and of each colour up to 1 ± this, and as much is added; all pictures.

    Raises:
        ValueError: a value is out of its range.
    """

    fraction: float = 0.4
    blur: float = 1.2
    noise: float = 0.12
    light: float = 0.15

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1 or not 0 <= self.light < 1:
            raise ValueError(f"fraction must lie in [0, 1], light in [0, 1), got {self.fraction}, {self.light}")
        if self.blur < 0 or self.noise < 0:
            raise ValueError(f"blur and noise must not be negative, got {self.blur}, {self.noise}")


def spoil(
    frames: Float[Tensor, "n k 3 h w"], config: SpoilConfig, generator: torch.Generator
) -> Float[Tensor, "n k 3 h w"]:
    """Frames in -1..1 in other light, some of them blurred and noisy."""
    n, k, c, h, w = frames.shape

    def uniform(*shape: int) -> Tensor:
        return (2 * torch.rand(shape, generator=generator) - 1).to(frames.device)

    contrast, tint, shift = uniform(n, 1, 1, 1, 1), uniform(n, 1, c, 1, 1), uniform(n, 1, 1, 1, 1)
    factor = (1 + config.light * contrast) * (1 + 0.5 * config.light * tint)
    spoilt = torch.addcmul(config.light * shift, frames, factor)
    chosen = torch.nonzero(torch.rand(n, generator=generator) < config.fraction)[:, 0].to(frames.device)
    if len(chosen):
        strength = (0.5 + 0.5 * uniform(len(chosen), 2)).clamp(min=1e-3)
        part = _blur(spoilt[chosen], config.blur * strength[:, 0])
        fine = torch.randn(part.shape, generator=generator).to(frames.device)
        spots = torch.randn((len(chosen), k * c, h // 4, w // 4), generator=generator).to(frames.device)
        spots = F.interpolate(spots, scale_factor=4.0, mode="bilinear").view_as(part)
        amount = config.noise * strength[:, 1, None, None, None, None]
        spoilt.index_copy_(0, chosen, part + amount * (fine + 0.5 * spots))
    return spoilt.clamp_(-1, 1)


def _blur(frames: Float[Tensor, "n k 3 h w"], spread: Float[Tensor, " n"]) -> Float[Tensor, "n k 3 h w"]:
    """Frames under a Gaussian of standard deviation `spread` [px], each its own."""
    n, k, c, h, w = frames.shape
    at = torch.arange(-3, 4, device=frames.device)
    kernel = torch.softmax(-0.5 * at**2 / spread[:, None] ** 2, dim=-1).repeat_interleave(k * c, dim=0)
    x = frames.reshape(1, n * k * c, h, w)
    x = F.conv2d(F.pad(x, (0, 0, 3, 3), mode="replicate"), kernel[:, None, :, None], groups=n * k * c)
    x = F.conv2d(F.pad(x, (3, 3, 0, 0), mode="replicate"), kernel[:, None, None, :], groups=n * k * c)
    return x.view_as(frames)

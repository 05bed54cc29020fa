"""WorldModel: begin(context) -> state; step(state, control) -> state, Prediction. A state's copy is a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worldsim.checkpoint import CONFIG_NAME, WEIGHTS_NAME, load_weights, save_weights
from worldsim.configs import WorldModelConfig
from worldsim.denoiser import Denoiser
from worldsim.dit import UNKNOWN_COMMAND, Conditions
from worldsim.heads import EGO_SCALE, SceneHead, targets_to_scene
from worldsim.rollout import LatentState, advance, prefill
from worldsim.route import RoutePreview, preview_route, stack_routes, to_ground_frame
from worldsim.scene import SceneState
from worldsim.start_clip import StartClip
from worldsim.vae3d import VAE3D, VAEState, frames_to_float, frames_to_uint8
from worldsim.vehicle import motion_between

DEFAULT_CHECKPOINT = Path(__file__).parent / "default"


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """Everything the next step depends on, for `b` slots. Steps never write into a state.

    Args:
        rolling: latents, KV cache and frame number.
        decoder: the VAE decoder's past.
        vehicles: ego motion, VEHICLE_NAMES, float64 [b, 6].
        commands: RouteCommand or UNKNOWN_COMMAND, int64 [b].
        routes: the way to go, ground frame, float64 [b, r, 2], NaN after a route's end.
        places: index of the route point last passed, int64 [b].
        seeds: what each slot's noise is drawn from, [b].
    """

    rolling: LatentState
    decoder: VAEState
    vehicles: np.ndarray
    commands: np.ndarray
    routes: np.ndarray
    places: np.ndarray
    seeds: tuple[int, ...]

    @property
    def batch_size(self) -> int:
        """Number of slots."""
        return len(self.seeds)

    def take(self, slots: Sequence[int]) -> ModelState:
        """A state of the given slots, in that order; a slot may be taken many times."""
        rows = list(slots)
        return ModelState(
            rolling=self.rolling.take(rows),
            decoder=VAEState(self.decoder.features[rows]),
            vehicles=self.vehicles[rows],
            commands=self.commands[rows],
            routes=self.routes[rows],
            places=self.places[rows],
            seeds=tuple(self.seeds[i] for i in rows),
        )

    def __getitem__(self, slot: int) -> ModelState:
        """One slot as a batch of one."""
        return self.take([slot])

    def repeat(self, num: int) -> ModelState:
        """Each slot `num` times, with the same noise."""
        return self.take([i for i in range(self.batch_size) for _ in range(num)])

    def copy(self) -> ModelState:
        """The same values in memory of their own."""
        return self.take(range(self.batch_size))


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a step of the learned world shows.

    Args:
        frames: RGB, uint8 [b, h, w, 3], or None when not decoded.
        scene: SceneState [b]; ego motion as integrated, the lane and route as the known route says, the rest decoded.
        decoded: SceneState [b] with lane and route as seen in the latents.
        vehicles: ego motion, VEHICLE_NAMES, float64 [b, 6].
        collision: probability, float [b].
        off_road: probability, float [b].
        ego_estimate: speed [m/s] and yaw rate [rad/s] as seen in the latents, [b, 2].
        signals: trust signals, each float [b].
    """

    frames: np.ndarray | None
    scene: SceneState
    decoded: SceneState
    vehicles: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray
    ego_estimate: np.ndarray
    signals: dict[str, np.ndarray]


class WorldModel(nn.Module):
    """The learned world: VAE3D, denoiser and SceneHead with one config."""

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        self.config = config
        self.vae = VAE3D(config.vae)
        self.denoiser = Denoiser(config)
        self.head = SceneHead(config.head, config.vae.latent_channels, config.dit.width, self.denoiser.dit.grid)

    @staticmethod
    def load(path: Path | None = None, device: str = "cpu") -> WorldModel:
        """The model of a checkpoint folder (None: the default world), ready to step.

        Raises:
            FileNotFoundError: the folder lacks a file.
            ValueError: a file is damaged or does not fit the config.
        """
        folder = DEFAULT_CHECKPOINT if path is None else Path(path)
        if not (folder / CONFIG_NAME).is_file():
            raise FileNotFoundError(f"no checkpoint in {folder}: {CONFIG_NAME} is missing")
        model = WorldModel(WorldModelConfig.from_json(folder / CONFIG_NAME))
        load_weights(model, folder / WEIGHTS_NAME)
        return model.to(device).eval().requires_grad_(False)

    def save(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        """Write config and weights to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self, folder / WEIGHTS_NAME, dtype)
        self.config.save_json(folder / CONFIG_NAME)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.denoiser.step_std.device

    def noise(self, seeds: Sequence[int], frame: int) -> Tensor:
        """Standard normal [b, 1, c, h, w]: a function of each slot's seed and the frame number alone."""
        shape = (1, self.config.vae.latent_channels, *self.config.latent_size)
        drawn = []
        for seed in seeds:
            mixed = np.random.SeedSequence([seed % 2**63, frame]).generate_state(1, np.uint64)[0]
            drawn.append(torch.randn(shape, generator=torch.Generator().manual_seed(int(mixed >> np.uint64(1)))))
        return torch.stack(drawn).to(self.device)

    def _check(self, clips: Sequence[StartClip], seeds: Sequence[int]) -> None:
        if not clips or len(clips) != len(seeds):
            raise ValueError(f"begin needs as many seeds as clips and at least one, got {len(clips)} and {len(seeds)}")
        lengths = {len(clip.frames) for clip in clips}
        if len(lengths) > 1:
            raise ValueError(f"clips of one batch must have one length, got {sorted(lengths)}")
        for clip in clips:
            if clip.frames.shape[1:3] != self.config.frame_size:
                raise ValueError(
                    f"the clip's frames are {clip.frames.shape[1]}x{clip.frames.shape[2]}, "
                    f"the model's {self.config.frame_size[0]}x{self.config.frame_size[1]}"
                )
            if abs(clip.dt - self.config.dt) > 1e-6:
                raise ValueError(f"the clip's dt is {clip.dt} s, the model's {self.config.dt} s")

    @torch.no_grad()
    def begin(self, clips: Sequence[StartClip], seeds: Sequence[int]) -> ModelState:
        """The state after the context of `clips` (equally long); of long clips the newest frames are used.

        Raises:
            ValueError: sizes, lengths or time steps do not fit.
        """
        self._check(clips, seeds)
        num = min(len(clips[0].frames), self.config.num_context)
        clips = [clip.last(num) for clip in clips]
        frames = torch.from_numpy(np.stack([clip.frames for clip in clips])).to(self.device)
        latents, _ = self.vae.encode(frames_to_float(frames))
        _, decoder = self.vae.decode(latents)
        vehicles = np.stack([clip.vehicles for clip in clips])
        controls = np.stack([clip.controls for clip in clips])
        motions = self.motions(vehicles[:, :-1], controls)
        commands = np.stack([clip.scenes.command for clip in clips])
        known = np.ones((len(clips), num), bool)
        known[:, 0] = False
        pad = ((0, 0), (1, 0), (0, 0))
        conditions = self.conditions(
            controls=np.pad(controls, pad),
            motions=np.pad(motions, pad),
            commands=commands,
            known=known,
            routes=np.stack([clip.scenes.route for clip in clips]),
            routes_valid=np.stack([clip.scenes.route_valid for clip in clips]),
        )
        routes = [to_ground_frame(clip.vehicles[-1], clip.route) for clip in clips]
        return ModelState(
            rolling=prefill(self.denoiser, latents, conditions),
            decoder=decoder,
            vehicles=vehicles[:, -1].copy(),
            commands=commands[:, -1].copy(),
            routes=stack_routes(routes),
            places=np.zeros(len(clips), np.int64),
            seeds=tuple(int(s) for s in seeds),
        )

    def motions(self, vehicles: np.ndarray, controls: np.ndarray) -> np.ndarray:
        """MOTION_NAMES [..., 6] that `controls` [..., 4] give from `vehicles` [..., 6], whatever is hit."""
        return motion_between(vehicles, self.config.vehicle.step(vehicles, controls, self.config.dt))

    def conditions(
        self,
        *,
        controls: np.ndarray,
        motions: np.ndarray,
        commands: np.ndarray,
        known: np.ndarray,
        routes: np.ndarray,
        routes_valid: np.ndarray,
    ) -> Conditions:
        """Conditions on the model's device, of arrays [b, t, ...]."""

        def tensor(a: np.ndarray, dtype: type = np.float32) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(a, dtype)).to(self.device)

        if not self.config.dit.use_command:
            commands = np.full_like(commands, UNKNOWN_COMMAND)
        return Conditions(
            controls=tensor(controls),
            motions=tensor(motions),
            commands=tensor(commands, np.int64),
            known=tensor(known, bool),
            routes=tensor(routes),
            routes_valid=tensor(routes_valid),
        )

    @torch.no_grad()
    def step(
        self, state: ModelState, controls: np.ndarray, *, decode: bool = True, num_steps: int | None = None
    ) -> tuple[ModelState, Prediction]:
        """One frame on.

        Args:
            controls: CONTROL_NAMES, [b, 4].
            decode: also decode frames; leave it out to imagine faster (such a state must not be decoded later).
            num_steps: sampling steps, the config's if None.

        Raises:
            ValueError: controls do not fit the state or are not finite.
        """
        controls = np.asarray(controls, np.float32)
        b = state.batch_size
        if controls.shape != (b, 4) or not np.isfinite(controls).all():
            raise ValueError(f"controls must be finite and [{b}, 4], got shape {controls.shape}: {controls}")
        vehicles = self.config.vehicle.step(state.vehicles, controls, self.config.dt)
        motions = motion_between(state.vehicles, vehicles)
        preview = preview_route(state.routes, vehicles, state.places)
        conditions = self.conditions(
            controls=controls[:, None],
            motions=motions[:, None],
            commands=state.commands[:, None],
            known=np.ones((b, 1), bool),
            routes=preview.points[:, None],
            routes_valid=preview.valid[:, None],
        )
        noise = self.noise(state.seeds, state.rolling.frame + 1)
        rolling, tokens = advance(self.denoiser, state.rolling, conditions, noise, num_steps or self.config.num_steps)
        decoder, frames = state.decoder, None
        if decode:
            decoded, decoder = self.vae.decode(rolling.latents[:, :1], state.decoder)
            frames = frames_to_uint8(decoded[:, 0]).cpu().numpy()
        new = replace(state, rolling=rolling, decoder=decoder, vehicles=vehicles, places=preview.places)
        return new, self._predict(new, tokens, preview, frames)

    def _predict(
        self, state: ModelState, tokens: Tensor, preview: RoutePreview, frames: np.ndarray | None
    ) -> Prediction:
        vehicles = state.vehicles
        estimate = self.head(state.rolling.latents[:, None], tokens).map(lambda v: v[:, 0])
        ego = np.stack(
            [vehicles[:, 3], vehicles[:, 4], self.config.vehicle.yaw_rate(vehicles), vehicles[:, 5]], axis=-1
        )
        ego_estimate = estimate.ego.cpu().numpy() * EGO_SCALE
        decoded = targets_to_scene(estimate, ego, np.where(state.commands > 3, 0, state.commands))
        scene = decoded.copy()
        on_route = preview.on_route
        scene.lane[on_route, 0] = preview.lateral_offset[on_route]
        scene.lane[on_route, 1] = preview.heading_error[on_route]
        scene.route[on_route], scene.route_valid[on_route] = preview.points[on_route], preview.valid[on_route]
        lateral = np.abs(decoded.lateral_offset - preview.lateral_offset)
        return Prediction(
            frames=frames,
            scene=scene,
            decoded=decoded,
            vehicles=vehicles,
            collision=estimate.collision.sigmoid().cpu().numpy(),
            off_road=estimate.off_road.sigmoid().cpu().numpy(),
            ego_estimate=ego_estimate,
            signals={
                "speed_disagreement": np.abs(ego_estimate[:, 0] - ego[:, 0]),
                "yaw_rate_disagreement": np.abs(ego_estimate[:, 1] - ego[:, 2]),
                "lateral_disagreement": np.where(on_route, lateral, 0.0),
            },
        )

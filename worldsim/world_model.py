"""WorldModel: begin(context) -> state; step(state, control) -> state, Prediction. A state's copy is a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worldsim.actors.actor_model import ActorModel
from worldsim.actors.actors import Actors, scene_objects
from worldsim.actors.route_frame import lead_in, lead_of, route_frame_of, to_frenet
from worldsim.checkpoint import CONFIG_NAME, WEIGHTS_NAME, load_weights, save_weights
from worldsim.conditioning.actor_map import ActorMap
from worldsim.conditioning.appearance import tracked_colours
from worldsim.conditioning.object_grid import ObjectGrid
from worldsim.conditioning.style import style_of
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.boxes import separation
from worldsim.datatypes.route import preview_route, stack_routes, to_ground_frame
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import motion_between
from worldsim.dynamics.denoiser import Denoiser
from worldsim.dynamics.rollout import NUM_KEPT, advance, prefill
from worldsim.dynamics.trust import FREE_SIGNALS, FULL_SIGNALS, TrustModel
from worldsim.model_state import DecoderInputs, ModelState, Prediction
from worldsim.networks.dit import UNKNOWN_COMMAND, Conditions
from worldsim.networks.scene_head import EGO_SCALE, SceneHead, targets_to_scene
from worldsim.networks.vae3d import ACTOR_STRIDE, VAE3D, VAEState, frames_to_float, frames_to_uint8

CONTACT_SCALE = 0.2
"""Distance over which a collision's probability rises, half at contact [m]."""
LEAST_HALF_WIDTH = 1.75
"""An ego no part of which is farther than this beside its route is on the road, whatever is seen [m]."""
DEFAULT_CHECKPOINT = Path(__file__).parent / "default"


class WorldModel(nn.Module):
    """The learned world: VAE3D, denoiser, SceneHead, ActorModel and two TrustModels with one config."""

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        if config.vae.temporal_kernel > NUM_KEPT:
            raise ValueError(f"the decoder may look at {NUM_KEPT} frames, got {config.vae.temporal_kernel}")
        self.config = config
        self.vae = VAE3D(config.vae)
        self.fine_map = ActorMap(config.camera, config.frame_size, config.dt, ACTOR_STRIDE)
        self.denoiser = Denoiser(config)
        self.head = SceneHead(config.head, config.vae.latent_channels, config.latent_size)
        self.grid = ObjectGrid(config.camera, config.frame_size)
        self.actors = ActorModel(config.actors)
        self.trust = TrustModel(len(FREE_SIGNALS))
        self.full_trust = TrustModel(len(FULL_SIGNALS))

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
        model.full_trust.bias.fill_(torch.nan)  # stays so in an older checkpoint: not fitted
        load_weights(model, folder / WEIGHTS_NAME, new_part="full_trust")
        model.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return model.eval().requires_grad_(False)

    def save(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        """Write config and weights to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self, folder / WEIGHTS_NAME, dtype)
        self.config.save_json(folder / CONFIG_NAME)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.denoiser.step_std.device

    def noise(self, seeds: Sequence[int], frames: Sequence[int], *, other: bool = False) -> Tensor:
        """Standard normal [b, 1, c, h, w]: a function of each slot's seed and frame number alone; with `other` another
        one, that a sample is compared under."""
        shape = (1, self.config.vae.latent_channels, *self.config.latent_size)
        drawn = []
        for seed, frame in zip(seeds, frames, strict=True):
            sequence = np.random.SeedSequence([seed % 2**63, frame], spawn_key=(0,) if other else ())
            mixed = sequence.generate_state(1, np.uint64)[0]
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
    def begin(self, clips: Sequence[StartClip], seeds: Sequence[int], *, full_signals: bool = False) -> ModelState:
        """The state after the context of `clips` (equally long); of long clips the newest frames are used.

        Args:
            clips: recorded in any world.
            seeds: what each one's noise is drawn from.
            full_signals: the steps from this state on compute FULL_SIGNALS of trust, which costs time, and not only
                FREE_SIGNALS; the frames are the same.

        Raises:
            ValueError: sizes, lengths or time steps do not fit.
        """
        self._check(clips, seeds)
        num = min(len(clips[0].frames), self.config.num_context)
        clips = [clip.last(num) for clip in clips]
        frames = torch.from_numpy(np.stack([clip.frames for clip in clips])).to(self.device)
        latents, encoder = self.vae.encode(frames_to_float(frames))
        objects, kinds = (np.stack([getattr(c.scenes, name) for c in clips]) for name in ("objects", "object_kinds"))
        colours = np.stack([self.colours(c.frames, c.scenes) for c in clips])
        actors = self.actors.painted(
            replace(Actors.of_clips(clips), colours=colours[:, -1]), [(seed % 2**63, 0, 2) for seed in seeds]
        )
        vehicles = np.stack([clip.vehicles for clip in clips])
        controls = np.stack([clip.controls for clip in clips])
        motions = self.motions(vehicles[:, :-1], controls)
        commands = np.stack([clip.scenes.command for clip in clips])
        known = np.ones((len(clips), num), bool)
        known[:, 0] = False
        pad = ((0, 0), (1, 0), (0, 0))
        look = style_of(latents[:, -1])
        conditions = self.conditions(
            controls=np.pad(controls, pad),
            motions=np.pad(motions, pad),
            commands=commands,
            known=known,
            routes=np.stack([clip.scenes.route for clip in clips]),
            routes_valid=np.stack([clip.scenes.route_valid for clip in clips]),
            actors=objects,
            actor_kinds=kinds,
            look=look,
        )
        routes = stack_routes([to_ground_frame(clip.vehicles[-1], clip.route) for clip in clips])
        rolling = prefill(self.denoiser, latents, conditions)
        if full_signals:
            rolling = rolling._replace(signals=latents.new_zeros(len(clips), len(FULL_SIGNALS)))
        return ModelState(
            rolling=rolling,
            vehicles=vehicles[:, -1].copy(),
            commands=commands[:, -1].copy(),
            routes=routes,
            preview=preview_route(routes, vehicles[:, -1], np.zeros(len(clips), np.int64)),
            actors=actors,
            look=look,
            seeds=tuple(int(s) for s in seeds),
            encoder=encoder.features if full_signals else None,
        )

    def colours(self, frames: np.ndarray, scenes: SceneState) -> np.ndarray:
        """RGB in [0, 1], float64 [t, s, 3], of the objects in the scenes [t] of a clip uint8 [t, h, w, 3].

        NaN for those whom no frame shows.
        """
        return tracked_colours(frames, scenes.objects, scenes.object_kinds, self.fine_map)

    def paint(
        self,
        latents: Tensor,
        actors: np.ndarray,
        kinds: np.ndarray,
        colours: np.ndarray,
        state: VAEState | None = None,
    ) -> tuple[Tensor, VAEState]:
        """Frames [b, t, 3, h, w] in about [-1, 1] of latents, and the state to go on from.

        Args:
            latents: [b, t, c, h, w].
            actors: OBJECT_NAMES [b, t, s, 6] in the vehicle frame of each frame.
            kinds: ObjectKind [b, t, s].
            colours: RGB in [0, 1], [b, t, s, 3], NaN where unknown.
        """
        known = (actors.astype(np.float32), kinds, colours.astype(np.float32))
        drawn = self.fine_map.in_colour(*(torch.from_numpy(v).to(self.device).flatten(0, 1) for v in known))
        return self.vae.decode(latents, state, drawn.unflatten(0, latents.shape[:2]))

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
        actors: np.ndarray,
        actor_kinds: np.ndarray,
        look: Tensor,
    ) -> Conditions:
        """Conditions on the model's device, of arrays [b, t, ...] and a look [b, 4 c]."""

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
            actors=tensor(actors),
            actor_kinds=tensor(actor_kinds, np.int64),
            look=look[:, None].expand(-1, controls.shape[1], -1),
        )

    @torch.no_grad()
    def step(
        self,
        state: ModelState,
        controls: np.ndarray,
        *,
        decode: bool = True,
        num_steps: int | None = None,
        told: np.ndarray | None = None,
    ) -> tuple[ModelState, Prediction]:
        """One frame on.

        Args:
            controls: CONTROL_NAMES, [b, 4].
            decode: also decode frames; leave it out to imagine faster. `show` decodes any state later.
            num_steps: sampling steps, the config's if None.
            told: where actors are after the step, ACTOR_NAMES [b, s, 10] in the ground frame; NaN where they move by
                themselves.

        Raises:
            ValueError: controls do not fit the state or are not finite, or `told` does not fit the actors.
        """
        controls = np.asarray(controls, np.float32)
        b = state.batch_size
        if controls.shape != (b, 4) or not np.isfinite(controls).all():
            raise ValueError(f"controls must be finite and [{b}, 4], got shape {controls.shape}: {controls}")
        if told is not None and told.shape != state.actors.states.shape:
            raise ValueError(f"told must be {state.actors.states.shape}, got {told.shape}")
        vehicles = self.config.vehicle.step(state.vehicles, controls, self.config.dt)
        motions = motion_between(state.vehicles, vehicles)
        preview = preview_route(state.routes, vehicles, state.preview.places)
        numbers = [frame + 1 for frame in state.rolling.frames]
        draws = [(seed % 2**63, number, 1) for seed, number in zip(state.seeds, numbers, strict=True)]
        actors = self.actors.step(
            state.actors, state.vehicles, route_frame_of(state.preview), vehicles, self.config.dt, draws, told
        )
        seen, kinds = actors.seen_from(vehicles)[:, None, :, :6], actors.kinds[:, None]
        conditions = self.conditions(
            controls=controls[:, None],
            motions=motions[:, None],
            commands=state.commands[:, None],
            known=np.ones((b, 1), bool),
            routes=preview.points[:, None],
            routes_valid=preview.valid[:, None],
            actors=seen,
            actor_kinds=kinds,
            look=state.look,
        )
        rolling = advance(
            self.denoiser,
            state.rolling,
            conditions,
            self.noise(state.seeds, numbers),
            num_steps or self.config.num_steps,
            other_noise=None if state.encoder is None else self.noise(state.seeds, numbers, other=True),
        )
        new = replace(state, rolling=rolling, vehicles=vehicles, preview=preview, actors=actors)
        frames = self.show(new.view) if decode or new.encoder is not None else None
        if frames is not None and new.encoder is not None:
            new = self._encoded_again(new, new.encoder, frames)
        return new, self.read(new, frames if decode else None)

    def _encoded_again(self, state: ModelState, past: Tensor, frames: np.ndarray) -> ModelState:
        """The state with the signal `round_trip`: its newest frames [b, h, w, 3] went through the encoder, which kept
        `past` of those before."""
        pixels = frames_to_float(torch.from_numpy(frames).to(self.device))[:, None]
        latents, encoder = self.vae.encode(pixels, VAEState(past))
        apart = (latents[:, 0] - state.rolling.latents[:, 0]).square().mean((1, 2, 3)).sqrt()
        signals = torch.cat([state.rolling.signals, apart[:, None]], dim=-1)
        return replace(state, rolling=state.rolling._replace(signals=signals), encoder=encoder.features)

    @torch.no_grad()
    def show(self, view: DecoderInputs) -> np.ndarray:
        """The frames of a view, RGB uint8 [b, h, w, 3]."""
        past = self.vae.decoder_past(view.latents[:, 1:].flip(1))
        actors = (view.objects[:, None], view.kinds[:, None], view.colours[:, None])
        decoded, _ = self.paint(view.latents[:, :1], *actors, past)
        return frames_to_uint8(decoded[:, 0]).cpu().numpy()

    @torch.no_grad()
    def read(self, state: ModelState, frames: np.ndarray | None = None) -> Prediction:
        """What a state tells and shows, without a step; `frames` [b, h, w, 3] are handed on."""
        vehicles, preview, model = state.vehicles, state.preview, self.config.vehicle
        estimate = self.head(state.rolling.latents[:, None]).map(lambda v: v[:, 0])
        ego = np.stack([vehicles[:, 3], vehicles[:, 4], model.yaw_rate(vehicles), vehicles[:, 5]], axis=-1)
        ego_estimate = estimate.ego.cpu().numpy() * EGO_SCALE
        seen = targets_to_scene(estimate, ego, np.where(state.commands > 3, 0, state.commands), self.grid)
        size = (model.length, model.width)
        gap, speed, ahead = lead_in(seen, size)  # truer than what the head says of the lead as a whole
        seen.lead[ahead], seen.lead_valid[ahead] = np.stack([gap, speed], axis=-1)[ahead], True
        scene = seen.copy()
        on_route = preview.on_route
        scene.lane[on_route, 0] = preview.lateral_offset[on_route]
        scene.lane[on_route, 1] = preview.heading_error[on_route]
        scene.route[on_route], scene.route_valid[on_route] = preview.points[on_route], preview.valid[on_route]
        scene.objects[:], scene.object_kinds[:] = scene_objects(state.actors, vehicles)
        around = state.actors.seen_from(vehicles)
        place = to_frenet(route_frame_of(preview), around)
        gap, speed, scene.lead_valid[:] = lead_of(place, around, state.actors.kinds, size)
        scene.lead[:] = np.stack([gap, speed], axis=-1)
        boxes = np.concatenate([vehicles[:, :3], np.broadcast_to(size, (len(vehicles), 2))], axis=-1)
        apart = separation(boxes[:, None], state.actors.states[..., [0, 1, 2, 4, 5]])
        apart = np.where(state.actors.kinds > 0, apart, np.inf).min(-1)
        lateral = np.abs(seen.lateral_offset - preview.lateral_offset)
        turn = preview.heading_error
        reach = np.abs(np.cos(turn)) * model.width / 2 + np.abs(np.sin(turn)) * model.length / 2
        inside = on_route & (np.abs(preview.lateral_offset) + reach < LEAST_HALF_WIDTH)
        off_road = estimate.off_road.sigmoid().cpu().numpy()
        names, trust = (FREE_SIGNALS, self.trust) if state.encoder is None else (FULL_SIGNALS, self.full_trust)
        return Prediction(
            frames=frames,
            scene=scene,
            seen=seen,
            vehicles=vehicles,
            collision=1 / (1 + np.exp(np.minimum(apart / CONTACT_SCALE, 50.0))),
            collision_seen=estimate.collision.sigmoid().cpu().numpy(),
            off_road=np.where(inside, 0.0, off_road),
            off_road_seen=off_road,
            ego_estimate=ego_estimate,
            signals={
                **dict(zip(names, state.rolling.signals.nan_to_num(0.0).cpu().numpy().T, strict=True)),
                "trust": trust(state.rolling.signals).cpu().numpy(),
                "speed_disagreement": np.abs(ego_estimate[:, 0] - ego[:, 0]),
                "yaw_rate_disagreement": np.abs(ego_estimate[:, 1] - ego[:, 2]),
                "lateral_disagreement": np.where(on_route, lateral, 0.0),
            },
        )

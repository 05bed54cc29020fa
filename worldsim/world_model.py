"""WorldModel: begin(clips) -> state; step(state, controls) -> state, Prediction. A state's copy is a snapshot.

Four parts, each tested and replaced alone: SceneTracker computes what a simulator must know, LatentDynamics generates
what that does not tell, FrameDecoder makes pictures of both, SceneDecoder and TrustScorer say how far to believe them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worldsim.actors.actor_model import ActorModel
from worldsim.checkpoint import CONFIG_NAME, WEIGHTS_NAME, load_weights, save_weights
from worldsim.conditioning.actor_map import ActorMap
from worldsim.conditioning.object_grid import ObjectGrid
from worldsim.conditioning.style import style_statistics
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import motion_between
from worldsim.dynamics.denoiser import Denoiser
from worldsim.dynamics.rollout import NUM_KEPT
from worldsim.dynamics.trust import FREE_SIGNALS, FULL_SIGNALS, TrustModel
from worldsim.frame_decoder import DecoderInputs, FrameDecoder, PictureState
from worldsim.latent_dynamics import LatentDynamics
from worldsim.model_state import GeneratedState, ModelState, Prediction
from worldsim.networks.dit import Conditions
from worldsim.networks.scene_reader import CELL_STRIDE, SceneReader
from worldsim.networks.vae3d import ACTOR_STRIDE, VAE3D
from worldsim.scene_decoder import SceneDecoder
from worldsim.scene_tracker import SceneTracker, TrackedState
from worldsim.trust_scorer import TrustScorer

DEFAULT_CHECKPOINT = Path(__file__).parent / "default"


class WorldModel(nn.Module):
    """The learned world: its networks under one config, and the parts that put them to work.

    Attributes:
        tracker: ego motion, route, road users.
        dynamics: latents from step to step.
        frame_decoder: pictures from latents, and latents from pictures.
        scene_decoder: the scene as the latents show it.
        trust_scorer: how far the newest frames may be believed.
    """

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        if config.vae.temporal_kernel > NUM_KEPT:
            raise ValueError(
                f"a state keeps {NUM_KEPT} latents for the decoder: "
                f"temporal_kernel must be at most that, got {config.vae.temporal_kernel}"
            )
        self.config = config
        self.vae = VAE3D(config.vae)
        self.fine_map = ActorMap(config.camera, config.frame_size, config.dt, ACTOR_STRIDE)
        self.denoiser = Denoiser(config)
        self.reader = SceneReader(config.reader)
        self.grid = ObjectGrid(config.camera, config.frame_size, CELL_STRIDE)
        self.actors = ActorModel(config.actors)
        self.trust = TrustModel(len(FREE_SIGNALS))
        self.full_trust = TrustModel(len(FULL_SIGNALS))

        self.tracker = SceneTracker(config, self.actors)
        self.dynamics = LatentDynamics(self.denoiser, config.num_steps)
        self.frame_decoder = FrameDecoder(self.vae, self.fine_map)
        self.scene_decoder = SceneDecoder(self.reader, self.grid, (config.vehicle.length, config.vehicle.width))
        self.trust_scorer = TrustScorer(self.trust, self.full_trust)

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
        return self.dynamics.device

    @torch.no_grad()
    def begin(
        self, clips: Sequence[StartClip], seeds: Sequence[int], *, full_signals: bool = False, pictures: bool = True
    ) -> ModelState:
        """The state after the context of `clips` (equally long); of long clips the newest frames are used.

        Args:
            clips: recorded in any world.
            seeds: what each one's noise is drawn from.
            full_signals: the steps from this state on compute FULL_SIGNALS of trust, which costs time, and not only
                FREE_SIGNALS; the frames are the same.
            pictures: False tracks alone: no network of pictures runs, now or later, and the tracked values are those
                of the same drive with pictures.

        Raises:
            ValueError: sizes, lengths or time steps do not fit, or a clip without frames is asked for pictures.
        """
        self._check(clips, seeds, pictures)
        num = min(len(clips[0].vehicles), self.config.num_context)
        clips = [clip.last(num) for clip in clips]
        if not pictures:
            return ModelState(tracked=self.tracker.begin(clips, seeds), generated=None)

        latents, encoder = self.frame_decoder.encode(np.stack([clip.frames for clip in clips]), self.device)
        colours = np.stack([self.frame_decoder.colours(clip.frames, clip.scenes)[-1] for clip in clips])
        tracked = self.tracker.begin(clips, seeds, colours)
        conditions = self._context_conditions(clips, style_statistics(latents[:, -1]))
        latent = self.dynamics.begin(latents, conditions, full_signals=full_signals)
        picture = PictureState(encoder.features if full_signals else None)
        return ModelState(tracked=tracked, generated=GeneratedState(latent, picture))

    @torch.no_grad()
    def step(
        self,
        state: ModelState,
        controls: np.ndarray,
        *,
        decode: bool = True,
        num_steps: int | None = None,
        actor_overrides: np.ndarray | None = None,
    ) -> tuple[ModelState, Prediction]:
        """One frame on.

        Args:
            controls: CONTROL_NAMES, [b, 4].
            decode: also make frames; leave it out to imagine faster. `render` makes those of any state later.
            num_steps: sampling steps, the config's if None.
            actor_overrides: where road users are after the step, ACTOR_NAMES [b, s, 10] in the ground frame; NaN where
                they move by themselves.

        Raises:
            ValueError: controls do not fit the state or are not finite, or the overrides do not fit the road users.
        """
        controls = np.asarray(controls, np.float32)
        self._check_step(state, controls, actor_overrides)
        tracked = self.tracker.step(state.tracked, controls, actor_overrides)
        if state.generated is None:
            new = ModelState(tracked=tracked, generated=None)
            return new, self.read(new)

        latent, picture = state.generated
        full_signals = picture.encoder is not None
        conditions = self._step_conditions(state.tracked, tracked, controls, latent.style)
        latent = self.dynamics.step(latent, conditions, tracked.seeds, num_steps=num_steps, full_signals=full_signals)
        frames = None
        if decode or full_signals:
            frames = self.render(self.frame_decoder.gather_inputs(latent, tracked))
        if frames is not None and full_signals:
            picture, error = self.frame_decoder.round_trip(picture, frames, latent)
            latent = latent._replace(signals=torch.cat([latent.signals, error[:, None]], dim=-1))
        new = ModelState(tracked=tracked, generated=GeneratedState(latent, picture))
        return new, self.read(new, frames if decode else None)

    def render(self, inputs: DecoderInputs) -> np.ndarray:
        """The frames of a state's `FrameDecoder.gather_inputs`, RGB uint8 [b, h, w, 3]."""
        return self.frame_decoder.render(inputs)

    @torch.no_grad()
    def read(self, state: ModelState, frames: np.ndarray | None = None) -> Prediction:
        """What a state answers, without a step; `frames` [b, h, w, 3] are handed on."""
        tracked = self.tracker.read(state.tracked)
        if state.generated is None:
            return Prediction(tracked, None, None, self.trust_scorer.neutral(state.batch_size))
        latent, picture = state.generated
        decoded = self.scene_decoder.read(latent.latents, tracked.ego, tracked.scene.command)
        full = picture.encoder is not None
        trust = self.trust_scorer.score(latent.signals, tracked, decoded, state.tracked.preview, full=full)
        return Prediction(tracked, decoded, frames, trust)

    def _context_conditions(self, clips: Sequence[StartClip], style: Tensor) -> Conditions:
        """Conditions of a context's frames; nothing is known to have led to the first."""
        vehicles = np.stack([clip.vehicles for clip in clips])
        controls = np.stack([clip.controls for clip in clips])
        motions = self.tracker.motions(vehicles[:, :-1], controls)
        known = np.ones(vehicles.shape[:2], bool)
        known[:, 0] = False
        first = ((0, 0), (1, 0), (0, 0))
        return self.dynamics.conditions(
            controls=np.pad(controls, first),
            motions=np.pad(motions, first),
            commands=np.stack([clip.scenes.command for clip in clips]),
            known=known,
            routes=np.stack([clip.scenes.route for clip in clips]),
            routes_valid=np.stack([clip.scenes.route_valid for clip in clips]),
            actors=np.stack([clip.scenes.objects for clip in clips]),
            actor_kinds=np.stack([clip.scenes.object_kinds for clip in clips]),
            style=style,
        )

    def _step_conditions(
        self, before: TrackedState, after: TrackedState, controls: np.ndarray, style: Tensor
    ) -> Conditions:
        """Conditions of the frame that a step leads to."""
        return self.dynamics.conditions(
            controls=controls[:, None],
            motions=motion_between(before.vehicles, after.vehicles)[:, None],
            commands=before.commands[:, None],
            known=np.ones((len(controls), 1), bool),
            routes=after.preview.points[:, None],
            routes_valid=after.preview.valid[:, None],
            actors=after.actors.in_ego_frame(after.vehicles)[:, None, :, :6],
            actor_kinds=after.actors.kinds[:, None],
            style=style,
        )

    def _check(self, clips: Sequence[StartClip], seeds: Sequence[int], pictures: bool) -> None:
        if not clips or len(clips) != len(seeds):
            raise ValueError(f"begin needs as many seeds as clips and at least one, got {len(clips)} and {len(seeds)}")
        lengths = {len(clip.vehicles) for clip in clips}
        if len(lengths) > 1:
            raise ValueError(f"clips of one batch must have one length, got {sorted(lengths)}")
        for clip in clips:
            if pictures and not clip.has_frames:
                raise ValueError("the clip is state-only, without frames: only a state-only drive can begin from it")
            if pictures and clip.frames.shape[1:3] != self.config.frame_size:
                raise ValueError(
                    f"the clip's frames are {clip.frames.shape[1]}x{clip.frames.shape[2]}, "
                    f"the model's {self.config.frame_size[0]}x{self.config.frame_size[1]}"
                )
            if abs(clip.dt - self.config.dt) > 1e-6:
                raise ValueError(f"the clip's dt is {clip.dt} s, the model's {self.config.dt} s")

    def _check_step(self, state: ModelState, controls: np.ndarray, actor_overrides: np.ndarray | None) -> None:
        b, wanted = state.batch_size, state.tracked.actors.states.shape
        if controls.shape != (b, 4) or not np.isfinite(controls).all():
            raise ValueError(f"controls must be finite and [{b}, 4], got shape {controls.shape}: {controls}")
        if actor_overrides is not None and actor_overrides.shape != wanted:
            raise ValueError(f"actor_overrides must be {wanted}, got {actor_overrides.shape}")

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
from worldsim.actors.actors import TraitColumn
from worldsim.checkpoint import CONFIG_NAME, WEIGHTS_NAME, check_files, load_weights, save_weights, seal_checkpoint
from worldsim.conditioning.latent_conditions import ConditionMap, draw_conditions, reproject_cells
from worldsim.conditioning.object_grid import ObjectGrid
from worldsim.conditioning.user_colors import read_user_colors
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import motion_between
from worldsim.dynamics.denoiser import Denoiser
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.dynamics.rollout import NUM_KEPT
from worldsim.dynamics.trust import FREE_SIGNALS, FULL_SIGNALS, TrustModel
from worldsim.endless_drives import EndlessDrives
from worldsim.frame_decoder import Fetched, FrameDecoder, PictureState
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.latent_dynamics import LatentDynamics
from worldsim.layouts.drive import EndlessPlace
from worldsim.layouts.layout_model import LAYOUTS_NAME, LayoutModel
from worldsim.looks import LOOKS_NAME, Looks, load_looks
from worldsim.model_state import GeneratedState, ModelState, Prediction
from worldsim.networks.dit import Conditions
from worldsim.networks.scene_reader import CELL_STRIDE, SceneReader
from worldsim.networks.vae3d import VAE3D
from worldsim.scene_decoder import SceneDecoder
from worldsim.scene_tracker import SceneTracker, TrackedState
from worldsim.trust_scorer import TrustScorer

DEFAULT_CHECKPOINT = Path(__file__).parent / "default"
NETWORK_FILES = (WEIGHTS_NAME, LAYOUTS_NAME, LOOKS_NAME)
"""Files of a checkpoint folder that its config has checksums of."""


class WorldModel(nn.Module):
    """The learned world: its networks under one config, and the parts that put them to work.

    Attributes:
        tracker: ego motion, route, road users.
        dynamics: latents from step to step.
        frame_decoder: pictures from surfaces, latents and earlier pictures, and latents from pictures.
        scene_decoder: the scene as the pictures show it.
        trust_scorer: how far the newest frames may be believed.
        looks: light and weather that its drives can be given, by name.
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
        self.denoiser = Denoiser(config)
        self.reader = SceneReader(config.reader)
        self.grid = ObjectGrid(config.camera, config.frame_size, CELL_STRIDE)
        self.actors = ActorModel(config.actors)
        self.trust = TrustModel(len(FREE_SIGNALS))
        self.full_trust = TrustModel(len(FULL_SIGNALS))

        self.tracker = SceneTracker(config, self.actors)
        self.dynamics = LatentDynamics(self.denoiser, config.num_steps)
        self.frame_decoder = FrameDecoder(
            self.vae, config.camera.with_frame_size(config.frame_size), keep_latents=config.dit.use_memory
        )
        self.scene_decoder = SceneDecoder(self.reader, self.grid, (config.vehicle.length, config.vehicle.width))
        self.trust_scorer = TrustScorer(self.trust, self.full_trust)
        self.looks: Looks = {}

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
        check_files(folder, NETWORK_FILES)
        load_weights(model, folder / WEIGHTS_NAME)
        if (folder / LAYOUTS_NAME).is_file():
            model.tracker.endless_drives = EndlessDrives(LayoutModel.load(folder / LAYOUTS_NAME))
        if (folder / LOOKS_NAME).is_file():
            model.looks = load_looks(folder / LOOKS_NAME, model.config.vae.style_width)
        model.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return model.eval().requires_grad_(False)

    def save(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        """Write weights and config, with the checksums of NETWORK_FILES in it, to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self, folder / WEIGHTS_NAME, dtype)
        seal_checkpoint(folder, self.config, NETWORK_FILES)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.dynamics.device

    @torch.no_grad()
    def begin(
        self,
        clips: Sequence[StartClip],
        seeds: Sequence[int],
        *,
        full_signals: bool = False,
        pictures: bool = True,
        camera_scenes: Sequence[Sequence[CameraScene]] | None = None,
        endless: Sequence[EndlessPlace | None] | None = None,
    ) -> ModelState:
        """The state after the context of `clips` (equally long); of long clips the newest frames are used.

        Args:
            clips: recorded in any world.
            seeds: what each one's noise is drawn from.
            full_signals: the steps from this state on compute FULL_SIGNALS of trust, which costs time, and not only
                FREE_SIGNALS; the frames are the same.
            pictures: False tracks alone: no network of pictures runs, now or later, and the tracked values are those
                of the same drive with pictures.
            camera_scenes: what each clip's frames show, where that is known better than the clips tell, [b][t].
            endless: where endless drives begin, of which the clips tell; None of drives whose routes end.

        Raises:
            ValueError: sizes, lengths or time steps do not fit, there are not as many lists of camera scenes as clips,
                or a clip without frames is asked for pictures.
        """
        self._check(clips, seeds, pictures)
        if camera_scenes is not None and len(camera_scenes) != len(clips):
            raise ValueError(f"{len(clips)} clips need as many lists of camera_scenes, got {len(camera_scenes)}")
        num = min(len(clips[0].vehicles), self.config.num_context)
        clips = [clip.last(num) for clip in clips]
        if not pictures:
            return ModelState(tracked=self.tracker.begin(clips, seeds, endless), generated=None)

        tracked, scenes, surfaces = self._draw_context(clips, seeds, camera_scenes, endless)
        generated = self.begin_pictures(clips, scenes, surfaces, full_signals=full_signals)
        return ModelState(tracked=tracked, generated=generated)

    @torch.no_grad()
    def begin_pictures(
        self,
        clips: Sequence[StartClip],
        scenes: Sequence[Sequence[CameraScene]],
        surfaces: Sequence[Sequence[SurfaceMap]],
        *,
        style: Tensor | None = None,
        full_signals: bool = False,
    ) -> GeneratedState:
        """The generated half of the state after the context of `clips` (equally long).

        Args:
            clips: whose frames these are.
            scenes: what the frames show, [b][t].
            surfaces: the same, drawn, [b][t].
            style: of the drives, [b, d]; None reads it off the frames.
            full_signals: as for `begin`.
        """
        latents, picture = self.frame_decoder.begin(np.stack([clip.frames for clip in clips]), surfaces)
        if style is not None:
            picture = picture._replace(style=style)
        conditions = self._context_conditions(clips, scenes, surfaces, picture.style)
        latent = self.dynamics.begin(latents, conditions, full_signals=full_signals)
        return GeneratedState(latent, picture)

    @torch.no_grad()
    def step(
        self,
        state: ModelState,
        controls: np.ndarray,
        *,
        decode: bool = True,
        decode_scene: bool = False,
        num_steps: int | None = None,
        actor_overrides: np.ndarray | None = None,
        camera_scenes: Sequence[CameraScene] | None = None,
    ) -> tuple[ModelState, Prediction]:
        """One frame on.

        Args:
            controls: CONTROL_NAMES, [b, 4].
            decode: also make frames. Without, pictures stay as they are, and the next frame is made from those that
                there were: it is then another one.
            decode_scene: also read the scene off the newest frames; where nothing is tracked it then stands in.
            num_steps: sampling steps, the config's if None.
            actor_overrides: where road users are after the step, ACTOR_NAMES [b, s, 10] in the ground frame; NaN where
                they move by themselves.
            camera_scenes: what the new frames are to show instead of what is tracked, [b].

        Raises:
            ValueError: controls do not fit the state or are not finite, the overrides do not fit the road users, there
                are not as many camera scenes as slots, or something is to be read off frames that are not made.
        """
        controls = np.asarray(controls, np.float32)
        self._check_step(state, controls, actor_overrides, camera_scenes)
        tracked = self.tracker.step(state.tracked, controls, actor_overrides)
        if state.generated is None:
            new = ModelState(tracked=tracked, generated=None)
            return new, self.read(new)

        latent, picture = state.generated
        full_signals = state.generated.has_full_signals
        if not decode and (full_signals or decode_scene):
            raise ValueError("the scene and full signals of trust are read off frames: step with decode=True")
        if camera_scenes is None:
            camera_scenes = [self.tracker.camera_scene(tracked, slot) for slot in range(state.batch_size)]
        surfaces, maps = self._draw_step(tracked, picture, camera_scenes)
        conditions = self._step_conditions(state.tracked, tracked, controls, maps, picture.style)
        fetched = self.frame_decoder.fetch(picture, surfaces) if decode or self.config.dit.use_memory else None
        latent = self.dynamics.step(
            latent,
            conditions,
            tracked.seeds,
            retrieved=self._retrieve(fetched, picture, surfaces),
            num_steps=num_steps,
            full_signals=full_signals,
        )
        if decode:
            assert fetched is not None
            picture = self.frame_decoder.step(picture, latent.latents, surfaces, fetched, full_signals=full_signals)
        else:
            picture = picture.skip(surfaces)
        new = ModelState(tracked=tracked, generated=GeneratedState(latent, picture))
        return new, self.read(new, decode_scene=decode_scene)

    @torch.no_grad()
    def read(self, state: ModelState, *, decode_scene: bool = False) -> Prediction:
        """What a state answers, without a step.

        Args:
            decode_scene: also read the scene off the newest frames; where nothing is tracked it then stands in.
        """
        tracked = self.tracker.read(state.tracked)
        if state.generated is None:
            return Prediction(tracked, None, None, self.trust_scorer.neutral(state.batch_size))
        latent, picture = state.generated
        decoded = None
        if decode_scene or state.generated.has_full_signals:
            decoded = self.scene_decoder.read(picture.clip(), tracked.ego, tracked.scene.command)
        trust = self.trust_scorer.score(latent.signals, picture, tracked, decoded, state.tracked.preview)
        # what trust is made from does not change what is answered
        return Prediction(tracked, decoded if decode_scene else None, picture.newest, trust)

    def _draw_step(
        self, tracked: TrackedState, picture: PictureState, scenes: Sequence[CameraScene]
    ) -> tuple[list[SurfaceMap], list[ConditionMap]]:
        """The surfaces in the new pictures, and what the dynamics model is told of them."""
        surfaces, maps = [], []
        for slot, (scene, drive) in enumerate(zip(scenes, picture.drives, strict=True)):
            surfaces += self.frame_decoder.draw([self.tracker.static_world(tracked, slot)], [scene])
            # at once, while the surfaces are still in the CPU's cache
            route, valid = tracked.preview.points[slot], tracked.preview.valid[slot]
            maps.append(draw_conditions(surfaces[-1], drive.latent_geometry, scene.view, route, valid))
        return surfaces, maps

    def _draw_context(
        self,
        clips: Sequence[StartClip],
        seeds: Sequence[int],
        camera_scenes: Sequence[Sequence[CameraScene]] | None,
        endless: Sequence[EndlessPlace | None] | None,
    ) -> tuple[TrackedState, list[list[CameraScene]], list[list[SurfaceMap]]]:
        """The tracked state at the end of clips, and what their frames show, drawn, [b][t]."""
        tracked = self.tracker.begin(clips, seeds, endless)
        tracked = self.tracker.paint(tracked, self._read_colors(tracked, clips, camera_scenes))
        return tracked, *self._draw_clips(tracked, clips, camera_scenes)

    def _read_colors(
        self,
        tracked: TrackedState,
        clips: Sequence[StartClip],
        camera_scenes: Sequence[Sequence[CameraScene]] | None,
    ) -> list[np.ndarray | None]:
        """Of each clip the colours of its objects, RGB in [0, 1], [s, 3], as its frames show them; None of a clip that
        tells of its road users."""
        if all(clip.road_users is not None for clip in clips):
            return [None] * len(clips)
        # once it is known where they are, the frames tell what they look like
        _, drawn = self._draw_clips(tracked, clips, camera_scenes)
        found: list[np.ndarray | None] = []
        for clip, surfaces, traits in zip(clips, drawn, tracked.actors.traits, strict=True):
            ids = traits[: clip.scenes.object_kinds.shape[-1], TraitColumn.ID]  # the first actors are the objects
            geometries = [one.geometry for one in surfaces]
            found.append(None if clip.road_users is not None else read_user_colors(clip.frames, geometries, ids))
        return found

    def _draw_clips(
        self,
        tracked: TrackedState,
        clips: Sequence[StartClip],
        camera_scenes: Sequence[Sequence[CameraScene]] | None,
    ) -> tuple[list[list[CameraScene]], list[list[SurfaceMap]]]:
        scenes, surfaces = [], []
        for k, clip in enumerate(clips):
            shown = self.tracker.context_scenes(tracked, k, clip) if camera_scenes is None else camera_scenes[k]
            scenes.append(list(shown)[-len(clip.frames) :])
            world = self.tracker.static_world(tracked, k)
            surfaces.append(self.frame_decoder.draw([world] * len(scenes[k]), scenes[k]))
        return scenes, surfaces

    def _retrieve(
        self, fetched: Fetched | None, picture: PictureState, surfaces: Sequence[SurfaceMap]
    ) -> RetrievedFrames | None:
        """Latents of the key frames that are recalled, for a dynamics model that is shown them."""
        if fetched is None or not self.config.dit.use_memory:
            return None
        latents, places = [], []
        for index, drive, one in zip(fetched.key_frames, picture.drives, surfaces, strict=True):
            known = drive.key_frames
            latents.append(None if index is None else known.latent(index))
            places.append(None if index is None else reproject_cells(one.geometry, known.geometry(index)))
        return self.dynamics.retrieved(latents, places)

    def _context_conditions(
        self,
        clips: Sequence[StartClip],
        scenes: Sequence[Sequence[CameraScene]],
        surfaces: Sequence[Sequence[SurfaceMap]],
        style: Tensor,
    ) -> Conditions:
        """Conditions of a context's frames; nothing is known to have led to the first."""
        vehicles = np.stack([clip.vehicles for clip in clips])
        controls = np.stack([clip.controls for clip in clips])
        motions = self.tracker.motions(vehicles[:, :-1], controls)
        known = np.ones(vehicles.shape[:2], bool)
        known[:, 0] = False
        first = ((0, 0), (1, 0), (0, 0))
        maps = [
            [
                draw_conditions(
                    drawn[t],
                    drawn[t - 1].geometry if t else None,
                    shown[t].view,
                    clip.scenes.route[t],
                    clip.scenes.route_valid[t],
                )
                for t in range(len(drawn))
            ]
            for clip, shown, drawn in zip(clips, scenes, surfaces, strict=True)
        ]
        return self.dynamics.conditions(
            controls=np.pad(controls, first),
            motions=np.pad(motions, first),
            commands=np.stack([clip.scenes.command for clip in clips]),
            known=known,
            maps=maps,
            style=style,
        )

    def _step_conditions(
        self,
        before: TrackedState,
        after: TrackedState,
        controls: np.ndarray,
        maps: Sequence[ConditionMap],
        style: Tensor,
    ) -> Conditions:
        """Conditions of the frame that a step leads to."""
        return self.dynamics.conditions(
            controls=controls[:, None],
            motions=motion_between(before.vehicles, after.vehicles)[:, None],
            commands=before.commands[:, None],
            known=np.ones((len(controls), 1), bool),
            maps=[[one] for one in maps],
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

    def _check_step(
        self,
        state: ModelState,
        controls: np.ndarray,
        actor_overrides: np.ndarray | None,
        camera_scenes: Sequence[CameraScene] | None,
    ) -> None:
        b, wanted = state.batch_size, state.tracked.actors.states.shape
        if controls.shape != (b, 4) or not np.isfinite(controls).all():
            raise ValueError(f"controls must be finite and [{b}, 4], got shape {controls.shape}: {controls}")
        if actor_overrides is not None and actor_overrides.shape != wanted:
            raise ValueError(f"actor_overrides must be {wanted}, got {actor_overrides.shape}")
        if camera_scenes is not None and len(camera_scenes) != b:
            raise ValueError(f"{b} slots need as many camera_scenes, got {len(camera_scenes)}")

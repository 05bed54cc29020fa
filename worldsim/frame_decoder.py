"""FrameDecoder: pictures from latents and tracked road users, and latents from pictures.

A picture is made from the newest latents and from who is tracked to be in it. `PictureState` is what pictures hand on
from step to step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.conditioning.actor_map import ActorMap
from worldsim.conditioning.appearance import tracked_colours
from worldsim.datatypes.scene import SceneState
from worldsim.dynamics.rollout import LatentState
from worldsim.networks.vae3d import VAE3D, VAEState, frames_to_float, frames_to_uint8
from worldsim.scene_tracker import TrackedState


class PictureState(NamedTuple):
    """What pictures hand on.

    encoder: what the causal encoder keeps of the frames so far, [b, kernel - 1, d, h, w], for the trust signal
    `round_trip`; None where nobody asks for it.
    """

    encoder: Tensor | None = None

    def take(self, slots: Sequence[int]) -> PictureState:
        """The given slots, in that order, in memory of their own."""
        return PictureState(None if self.encoder is None else self.encoder[list(slots)])

    @staticmethod
    def concat(states: Sequence[PictureState]) -> PictureState:
        """The slots of all the states, in that order.

        Raises:
            ValueError: some keep the encoder's past and some do not.
        """
        encoders = [state.encoder for state in states if state.encoder is not None]
        if len(encoders) not in (0, len(states)):
            raise ValueError(f"states to join must all have full signals of trust or none, got {len(encoders)} that do")
        return PictureState(torch.cat(encoders) if encoders else None)


class DecoderInputs(NamedTuple):
    """What the frames of `b` slots are made from, so that they can be made later, or never.

    latents: the newest, newest first, [b, NUM_KEPT, c, h, w]. objects: the road users, OBJECT_NAMES [b, s, 6] in the
    vehicle frame. kinds: ObjectKind [b, s]. colours: RGB in [0, 1], [b, s, 3].
    """

    latents: Tensor
    objects: np.ndarray
    kinds: np.ndarray
    colours: np.ndarray


class FrameDecoder:
    """VAE3D at work, with the road users drawn into the camera.

    Args:
        vae: the video autoencoder.
        actor_map: draws road users at the decoder's resolution.
    """

    def __init__(self, vae: VAE3D, actor_map: ActorMap) -> None:
        self.vae, self.actor_map = vae, actor_map

    @staticmethod
    def gather_inputs(latent: LatentState, tracked: TrackedState) -> DecoderInputs:
        """What the newest frames are made from."""
        return DecoderInputs(
            latents=latent.latents,
            objects=tracked.actors.in_ego_frame(tracked.vehicles)[..., :6],
            kinds=tracked.actors.kinds,
            colours=tracked.actors.colours,
        )

    @torch.no_grad()
    def render(self, inputs: DecoderInputs) -> np.ndarray:
        """The frames, RGB uint8 [b, h, w, 3]."""
        past = self.vae.decoder_past(inputs.latents[:, 1:].flip(1))
        actors = (inputs.objects[:, None], inputs.kinds[:, None], inputs.colours[:, None])
        decoded, _ = self.decode(inputs.latents[:, :1], *actors, past)
        return frames_to_uint8(decoded[:, 0]).cpu().numpy()

    def decode(
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
        tensors = (torch.from_numpy(values).to(latents.device).flatten(0, 1) for values in known)
        drawn = self.actor_map.in_colour(*tensors)
        return self.vae.decode(latents, state, drawn.unflatten(0, latents.shape[:2]))

    def encode(
        self, frames: np.ndarray, device: torch.device, state: VAEState | None = None
    ) -> tuple[Tensor, VAEState]:
        """Latents [b, t, c, h, w] of frames uint8 [b, t, h, w, 3], and the encoder's state after them."""
        return self.vae.encode(frames_to_float(torch.from_numpy(frames).to(device)), state)

    def colours(self, frames: np.ndarray, scenes: SceneState) -> np.ndarray:
        """RGB in [0, 1], float64 [t, s, 3], of the objects in the scenes [t] of a clip uint8 [t, h, w, 3].

        NaN for those that no frame shows.
        """
        return tracked_colours(frames, scenes.objects, scenes.object_kinds, self.actor_map)

    def round_trip(self, picture: PictureState, frames: np.ndarray, latent: LatentState) -> tuple[PictureState, Tensor]:
        """How far the newest latents are from what the encoder makes of their frames [b, h, w, 3], RMS [b], and the
        state after that."""
        assert picture.encoder is not None
        again, encoder = self.encode(frames[:, None], latent.latents.device, VAEState(picture.encoder))
        error = (again[:, 0] - latent.latents[:, 0]).square().mean((1, 2, 3)).sqrt()
        return PictureState(encoder.features), error

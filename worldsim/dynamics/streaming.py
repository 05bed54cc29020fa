"""StreamingRollout: a clip goes on frame by frame under given controls, from pictures to pictures."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from worldsim.configs import InferenceConfig
from worldsim.datatypes.scene import CONTROL_NAMES
from worldsim.diffusion.predictions import Kind, Prediction
from worldsim.diffusion.samplers import initial_noise, sample_euler
from worldsim.diffusion.sampling_times import uniform_times
from worldsim.dynamics.denoiser import DenoiserInputs, shift_previous
from worldsim.dynamics.flow import FLOW
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.dynamics.rollout import advance, prefill, select_frames
from worldsim.dynamics.video_denoiser import VideoDenoiser
from worldsim.networks.dit import Conditions
from worldsim.networks.temporal import TemporalStream
from worldsim.networks.video_vae import VideoVAE


@torch.no_grad()
def stream_latents(
    denoiser: VideoDenoiser,
    context: Float[Tensor, "b k c h w"],
    controls: Float[Tensor, "b t 4"],
    noise: Float[Tensor, "b n c h w"],
    config: InferenceConfig,
) -> Iterator[Float[Tensor, "b 1 c h w"]]:
    """The latents after `context`, one by one, as many as there is noise for; controls are of context and these."""
    num_context, window, bank = context.shape[1], config.context_window, denoiser.bank
    conditions = denoiser.conditions(controls)
    retrieved, memory = (None, None) if bank is None else bank.read_clip(context)
    state = None
    if config.use_kv_cache:
        state = prefill(denoiser, context, select_frames(conditions, slice(0, num_context)), retrieved, window)

    latents = context
    for k, fresh in enumerate(noise.split(1, dim=1), start=num_context):
        found = None if bank is None or memory is None else bank.read(memory, latents[:, -1])
        if state is not None:
            now = select_frames(conditions, slice(k, k + 1))
            state = advance(denoiser, state, now, fresh, config.num_steps, retrieved=found, window=window)
            latent = state.latents[:, :1]
        else:
            if retrieved is not None and found is not None:
                retrieved = RetrievedFrames(*(torch.cat(pair, 1) for pair in zip(retrieved, found, strict=True)))
            so_far = select_frames(conditions, slice(0, k + 1))
            latent = sample_after(denoiser, latents, so_far, fresh, config.num_steps, retrieved, window)
        latents = torch.cat([latents, latent], dim=1)
        if bank is not None and memory is not None:
            memory = bank.write_latent(memory, latent[:, 0])
        yield latent


def sample_after(
    denoiser: VideoDenoiser,
    latents: Float[Tensor, "b k c h w"],
    conditions: Conditions,
    noise: Float[Tensor, "b 1 c h w"],
    num_steps: int,
    retrieved: RetrievedFrames | None,
    window: int | None,
) -> Float[Tensor, "b 1 c h w"]:
    """The latent after others, all of which every sampling pass computes again; conditions, and what is retrieved, are
    of them and of it."""
    b, k = latents.shape[:2]
    times = torch.arange(k + 1, device=noise.device)
    previous = shift_previous(torch.cat([latents, noise], dim=1), denoiser.dit.config.num_previous)
    inputs = denoiser.prepare_inputs(previous, conditions, retrieved)

    def denoise(x: Tensor, tau: float) -> Prediction:
        clean = torch.ones((b, k), device=x.device)
        taus = torch.cat([clean, torch.full_like(clean[:, :1], tau)], dim=1)
        clip = torch.cat([latents, x], dim=1)
        out = denoiser(clip, taus, previous, conditions, times, inputs=inputs, window=window)
        return Prediction(Kind.DATA, out.data[:, -1:])

    data = sample_euler(FLOW, denoise, noise, uniform_times(FLOW, num_steps))
    return denoiser.constrain(data, DenoiserInputs(*(part[:, -1:] for part in inputs)))


class StreamingRollout:
    """Pictures that follow others under given controls.

    Args:
        student: makes latents.
        vae: makes latents of pictures and pictures of latents, a latent for each frame.
        config: window, cache, precision, sampling steps; None for the defaults.
        device: torch device, to which both are moved.

    Raises:
        ValueError: the two do not fit: other latents, or one of several frames.
    """

    def __init__(
        self,
        student: VideoDenoiser,
        vae: VideoVAE,
        config: InferenceConfig | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        check_pair(student, vae)
        self.student, self.vae = student.to(device), vae.to(device)
        self.config, self.device = config or InferenceConfig(), torch.device(device)

    def generate_sequence(
        self,
        context_frames: Float[Tensor, "b k 3 H W"],
        control_sequence: Float[Tensor, "b t 4"],
        max_new_frames: int,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Float[Tensor, "b n 3 H W"]:
        """The `max_new_frames` frames that follow the context, about in [-1, 1]; see `stream`."""
        frames = self.stream(context_frames, control_sequence, max_new_frames, temperature, seed)
        return torch.stack(list(frames), dim=1)

    @torch.no_grad()
    def stream(
        self,
        context_frames: Float[Tensor, "b k 3 H W"],
        control_sequence: Float[Tensor, "b t 4"],
        max_new_frames: int,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Iterator[Float[Tensor, "b 3 H W"]]:
        """The frames one by one, each as soon as it is made.

        Args:
            context_frames: pictures in [-1, 1] that the clip begins with.
            control_sequence: CONTROL_NAMES of each frame, context first; that of frame k leads to frame k + 1.
            max_new_frames: frames to make.
            temperature: of the noise that frames are made of; 0 for none, so that no seed matters.
            seed: of the noise.

        Raises:
            ValueError: a shape or number does not fit; names it, and what would.
        """
        num_context = check_request(self.student, context_frames, control_sequence, max_new_frames, self.config)
        context, controls = (given.to(self.device).float() for given in (context_frames, control_sequence))
        generator = torch.Generator().manual_seed(seed)
        shape = (len(context), max_new_frames, *self.student.latent_shape)
        noise = initial_noise(FLOW, shape, generator, temperature=temperature).to(self.device)
        decoded: TemporalStream = {}

        with self.autocast():
            latents = self.vae.encode(rearrange(context, "b k c h w -> b c k h w"))
            self.vae.decode(latents, decoded)  # so that the first new frame is decoded after these
        latents = rearrange(latents.float(), "b c k h w -> b k c h w")
        following = stream_latents(
            self.student, latents, controls[:, : num_context + max_new_frames], noise, self.config
        )
        for _ in range(max_new_frames):
            with self.autocast():  # not while the caller has the frame
                frame = self.vae.decode(rearrange(next(following), "b 1 c h w -> b c 1 h w"), decoded)
            yield rearrange(frame.float(), "b c 1 h w -> b c h w")

    def autocast(self) -> torch.autocast:
        """A block in which networks calculate in the config's precision."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.config.mixed_precision, cache_enabled=False
        )


def check_pair(student: VideoDenoiser, vae: VideoVAE) -> None:
    """Refuse an autoencoder whose latents the student cannot make.

    Raises:
        ValueError: says what does not fit.
    """
    channels = vae.config.latent_channels
    if channels != student.dit.latent_channels:
        raise ValueError(f"the vae's latents have {channels} channels, the student's {student.dit.latent_channels}")
    if vae.time_factor != 1:
        raise ValueError(f"a latent of the vae must be of one frame, not of {vae.time_factor}: num_halvings must be 0")
    size = tuple(length * vae.space_factor for length in student.dit.latent_size)
    if size != student.frame_size:
        raise ValueError(
            f"the vae makes a cell of {vae.space_factor} pixels, the student's {student.frame_size} are "
            f"{student.dit.latent_size} cells: widths must be three"
        )


def check_request(
    student: VideoDenoiser, frames: Tensor, controls: Tensor, num_new: int, config: InferenceConfig
) -> int:
    """The number of frames of the context; errors as of `StreamingRollout.stream`."""
    height, width = student.frame_size
    if frames.dim() != 5 or tuple(frames.shape[2:]) != (3, height, width) or not frames.shape[1]:
        raise ValueError(f"context_frames must be [b, k, 3, {height}, {width}], got {list(frames.shape)}")
    if not frames.is_floating_point():
        raise ValueError(f"context_frames must be floats in [-1, 1], got {frames.dtype}; see VideoPreprocessor")
    num_context, total = frames.shape[1], frames.shape[1] + num_new
    if num_new < 1:
        raise ValueError(f"max_new_frames must be at least 1, got {num_new}")
    if total > config.max_sequence_length:
        raise ValueError(
            f"{num_context} context_frames and max_new_frames = {num_new} are {total} frames, more than "
            f"max_sequence_length = {config.max_sequence_length}"
        )
    if controls.dim() != 3 or controls.shape[0] != len(frames) or controls.shape[2] != len(CONTROL_NAMES):
        raise ValueError(
            f"control_sequence must be [{len(frames)}, t, {len(CONTROL_NAMES)}] ({', '.join(CONTROL_NAMES)}), got "
            f"{list(controls.shape)}"
        )
    if controls.shape[1] < total:
        raise ValueError(
            f"control_sequence has {controls.shape[1]} controls, {num_context} context_frames and max_new_frames = "
            f"{num_new} need {total}, one a frame"
        )
    wrong = (~controls.isfinite()).nonzero()
    if len(wrong):
        place = wrong[0].tolist()
        raise ValueError(f"control_sequence{place} is {controls[tuple(place)].item()}; controls must be finite")
    return num_context

"""Pictures that earlier pictures are fetched for: what VAE3D's encoder and decoder are told of the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from worldsim.conditioning.fetch import fetch
from worldsim.gbuffer.reprojection import PictureGeometry, reproject
from worldsim.networks.vae3d import References, frames_to_float


class Fetch(NamedTuple):
    """A picture uint8 [h, w, 3], where its pixels are to be sampled [h, w, 2], and where they were seen [h, w]."""

    picture: np.ndarray
    grid: np.ndarray
    visible: np.ndarray

    @staticmethod
    def between(new: PictureGeometry, old: PictureGeometry, picture: np.ndarray) -> Fetch:
        """The old picture, where the surfaces of the new one are."""
        return Fetch(picture, *reproject(new, old, pure=True))

    def share(self, old: np.ndarray) -> np.ndarray:
        """A share of each pixel of the old picture, uint8 [h, w], where the surfaces of the new one are; 0 where they
        were not seen, float32 in [0, 255]."""
        size = np.array(old.shape[::-1], np.float32)
        at = (self.grid + 1.0) * (size / 2) - 0.5
        sampled = cv2.remap(old, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return sampled * self.visible

    @staticmethod
    def nothing(picture: np.ndarray) -> Fetch:
        """A picture of which nothing is visible."""
        size = picture.shape[:2]
        return Fetch(picture, np.zeros((*size, 2), np.float32), np.zeros(size, np.float32))


def fetch_all(what: Sequence[Fetch], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pictures [b, 3, h, w] in [-1, 1], and where they were seen, [b, 1, h, w]."""
    pictures, grids, visible = (torch.from_numpy(np.stack(arrays)).to(device) for arrays in zip(*what, strict=True))
    return fetch(frames_to_float(pictures), grids), visible.float()[:, None]


def refer_to_previous(
    pictures: Sequence[np.ndarray], geometries: Sequence[PictureGeometry | None], device: torch.device
) -> References:
    """References of pictures in a row, uint8 [h, w, 3] each, but for the first: each refers to the one before it.

    Args:
        pictures: in their order.
        geometries: where they show what; None where a picture is missing, to which nothing refers.
        device: of the result.
    """
    found = [
        Fetch.nothing(picture) if new is None or old is None else Fetch.between(new, old, picture)
        for picture, old, new in zip(pictures[:-1], geometries[:-1], geometries[1:], strict=True)
    ]
    last, visible = fetch_all(found, device)
    return References(last, visible, torch.zeros_like(last), torch.zeros_like(visible))

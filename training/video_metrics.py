"""Metrics of generated frames and decoded states; numpy in, numbers out."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from scipy.stats import rankdata
from torchmetrics.functional.image import structural_similarity_index_measure


def psnr(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio [dB] of uint8 frames [..., h, w, 3], shape [...]; 60 at most."""
    error = ((frames.astype(np.float32) - truth.astype(np.float32)) ** 2).mean((-3, -2, -1))
    return 10 * np.log10(255.0**2 / np.maximum(error, 255.0**2 / 1e6))


def ssim(frames: np.ndarray, truth: np.ndarray) -> float:
    """Mean structural similarity of uint8 frames [n, h, w, 3] (Wang et al. 2004, 11 px Gaussian window)."""
    a, b = (torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2).float() / 255 for x in (frames, truth))
    value = structural_similarity_index_measure(a, b, data_range=1.0)
    assert isinstance(value, torch.Tensor)
    return float(value)


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Mean absolute Laplacian of the grey image, of uint8 frames [n, h, w, 3]; falls as a picture washes out."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return np.array([np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean() for image in grey])


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative; nan where one kind is missing."""
    labels = np.asarray(labels, bool)
    num_positive, num_negative = int(labels.sum()), int((~labels).sum())
    if not num_positive or not num_negative:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[labels].sum() - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative))


def drift_horizon(ours: np.ndarray, repeated: np.ndarray, dt: float) -> float:
    """Time [s] of the first step at which the median of `ours` is no better than that of `repeated`, both [n, t].

    Steps are the results of control 0, 1, ...; nan marks steps past an episode's end. If none is worse: all of it.
    """
    worse = np.nanmedian(ours, axis=0) <= np.nanmedian(repeated, axis=0)
    return float(dt * (int(np.argmax(worse)) if worse.any() else ours.shape[1]))

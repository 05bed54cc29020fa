"""Metrics of generated frames and decoded states; numpy in, numbers out."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.stats import rankdata

CHUNK = 64
"""Frames that are looked at together; what is computed in floats takes 16 times their memory."""


def psnr(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio [dB] of uint8 frames [..., h, w, 3], shape [...]; 60 at most."""
    flat, true = (values.reshape(-1, *values.shape[-3:]) for values in (frames, truth))
    parts = range(0, len(flat), CHUNK)
    error = np.concatenate(
        [((flat[k : k + CHUNK].astype(np.float64) - true[k : k + CHUNK]) ** 2).mean((-3, -2, -1)) for k in parts]
    )
    return psnr_of(error).reshape(frames.shape[:-3])


def psnr_of(squared_error: np.ndarray) -> np.ndarray:
    """PSNR [dB] of mean squared errors in grey levels; 60 at most."""
    return 10 * np.log10(255.0**2 / np.maximum(squared_error, 255.0**2 / 1e6))


def ssim(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang et al. 2004) of uint8 frames [..., h, w, 3] to the truth, mean over pixels and
    channels, shape [...]; Gaussian windows of 11 pixels with a deviation of 1.5, the picture reflected at its border.

    Raises:
        ValueError: the shapes differ.
    """
    if frames.shape != truth.shape:
        raise ValueError(f"frames and truth must have one shape, got {frames.shape} and {truth.shape}")
    flat, true = (values.reshape(-1, *values.shape[-3:]) for values in (frames, truth))
    return np.array([_ssim(a, b) for a, b in zip(flat, true, strict=True)]).reshape(frames.shape[:-3])


def _ssim(frame: np.ndarray, truth: np.ndarray) -> float:
    a, b = frame.astype(np.float64), truth.astype(np.float64)

    def blurred(picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(picture, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((similar / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def temporal_consistency(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How like the truth's the changes from frame to frame are, of uint8 frames [..., t, h, w, 3], shape [...]: 1 minus
    the mean absolute difference of the two changes over the range of grey levels. Flicker lowers it, and standing still
    while the truth moves; a constant error of every frame does not.

    Raises:
        ValueError: the shapes differ, or there are fewer than two frames.
    """
    if frames.shape != truth.shape or frames.shape[-4] < 2:
        raise ValueError(f"frames and truth must be two or more of one shape, got {frames.shape} and {truth.shape}")
    changes = (np.diff(values.astype(np.int16), axis=-4) for values in (frames, truth))
    return 1 - np.abs(next(changes) - next(changes)).mean((-4, -3, -2, -1)) / 255.0


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Mean absolute Laplacian of the grey image, of uint8 frames [n, h, w, 3]; falls as a picture washes out."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return np.array([np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean() for image in grey])


def color_statistics(frames: np.ndarray) -> dict[str, np.ndarray]:
    """Of each of uint8 frames [n, h, w, 3], in grey levels [n]: mean `brightness`; `contrast`, the deviation of the
    brightness over the pixels; `saturation`, how far a pixel's largest and smallest channel are apart."""
    flat = frames.astype(np.float32)
    brightness = flat.mean(-1)
    return {
        "brightness": brightness.mean((1, 2)),
        "contrast": brightness.std((1, 2)),
        "saturation": (flat.max(-1) - flat.min(-1)).mean((1, 2)),
    }


STATISTICS = ("sharpness", "brightness", "contrast", "saturation")
"""What `frame_statistics` tells of a frame."""


def frame_statistics(frames: np.ndarray) -> dict[str, np.ndarray]:
    """`sharpness` and `color_statistics` of each of uint8 frames [n, h, w, 3], [n] each."""
    parts = [frames[k : k + CHUNK] for k in range(0, len(frames), CHUNK)]
    found = [{"sharpness": sharpness(part), **color_statistics(part)} for part in parts]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance of Gaussians fitted to features [n, d] and [m, d] (Dowson and Landau 1982).

    |mean a - mean b|^2 + tr(A + B - 2 (A B)^1/2) with covariances A and B. The last trace is the sum of singular values
    of the product of the centred samples, so that fewer samples than features do no harm; few samples make the
    distance too large, so compare only distances of as many.

    Raises:
        ValueError: fewer than two samples, or other features.
    """
    if min(len(a), len(b)) < 2 or a.shape[1:] != b.shape[1:] or a.ndim != 2:
        raise ValueError(f"features must be [n, d] and [m, d] with at least 2 samples, got {a.shape} and {b.shape}")
    x, y = ((v - v.mean(0)).astype(np.float64) / np.sqrt(len(v) - 1) for v in (a, b))
    apart = ((a.mean(0) - b.mean(0)).astype(np.float64) ** 2).sum()
    roots = (np.linalg.qr(v, mode="r") for v in (x, y))  # as many rows as there are samples or features, if fewer
    shared = np.linalg.svd(np.matmul(next(roots), np.transpose(next(roots))), compute_uv=False).sum()
    return float(max(0.0, apart + (x**2).sum() + (y**2).sum() - 2 * shared))


def calibration(probabilities: np.ndarray, labels: np.ndarray, num_bins: int = 10) -> dict:
    """How often what is given a probability happens (Guo et al. 2017), over equal bins of the probability.

    Returns:
        "expected_calibration_error", the mean over samples of how far a bin's frequency is from its mean probability,
        and "bins": those that hold samples, each with its range, count, mean probability and frequency.
    """
    probabilities, labels = np.asarray(probabilities, float).ravel(), np.asarray(labels, bool).ravel()
    index = np.clip((probabilities * num_bins).astype(int), 0, num_bins - 1)
    bins = []
    for k in np.unique(index):
        at = index == k
        bins.append(
            {
                "from": k / num_bins,
                "to": (k + 1) / num_bins,
                "count": int(at.sum()),
                "probability": float(probabilities[at].mean()),
                "frequency": float(labels[at].mean()),
            }
        )
    gaps = sum(b["count"] * abs(b["probability"] - b["frequency"]) for b in bins)
    return {"expected_calibration_error": gaps / len(labels) if len(labels) else float("nan"), "bins": bins}


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

"""The look of a drive: what it tells, that frames within its limits are left alone and others come back to them."""

import torch

from worldsim.conditioning.style import keep_style, style_distance, style_statistics


def latents(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 1, 8, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_what_lies_within_the_limits_is_left_alone() -> None:
    x = latents()
    style = style_statistics(x) + 0.01
    torch.testing.assert_close(keep_style(x, style, torch.full((32,), 0.1)), x)
    torch.testing.assert_close(keep_style(x, style, torch.full((32,), torch.inf)), x)


def test_brightness_and_contrast_come_back_to_the_limit_and_no_further() -> None:
    x = latents()
    style = style_statistics(x)
    limit = torch.full((32,), 0.2)
    changed = x.clone()
    changed[:, :, 2, :8] += 0.7
    changed[:, :, 3, 8:] *= 3
    far = style_distance(style_statistics(changed), style)
    assert far[..., 2].min() > 0.6  # mean of the upper half
    assert far[..., 24 + 3].min() > 1  # deviation of the lower
    near = style_distance(style_statistics(keep_style(changed, style, limit)), style)
    assert near.max() < 0.2 + 1e-4
    assert near[..., 2].min() > 0.2 - 1e-3
    kept = keep_style(changed, style, limit)
    torch.testing.assert_close(kept[:, :, 4:], x[:, :, 4:])


def test_a_duller_picture_may_stay_dull() -> None:
    x = latents()
    torch.testing.assert_close(keep_style(0.3 * x, style_statistics(x), torch.full((32,), 0.5)), 0.3 * x)

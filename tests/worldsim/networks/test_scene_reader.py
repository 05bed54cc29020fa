"""SceneReader: of any frame size, and what it tells depends on every frame that it reads."""

import pytest
import torch

from worldsim.configs import ReaderConfig
from worldsim.networks.scene_reader import DENIAL, NUM_READ, SceneReader

SMALL = ReaderConfig(stem_width=8, widths=(16, 16, 24), num_blocks=1, cell_width=16, overview_width=8)


def woken_reader() -> SceneReader:
    torch.manual_seed(0)
    reader = SceneReader(SMALL).eval().requires_grad_(False)
    for p in reader.parameters():  # residual blocks and cells begin as nothing
        p.add_(0.05 * torch.randn(p.shape))
    return reader


def test_the_default_is_small() -> None:
    assert sum(p.numel() for p in SceneReader(ReaderConfig()).parameters()) < 1.2e6


@pytest.mark.parametrize("size", [(128, 128), (64, 80), (256, 384)])
def test_frames_of_any_size_are_read(size: tuple[int, int]) -> None:
    estimate = woken_reader()(torch.rand(2, NUM_READ, 3, *size))
    cells = (2, size[0] // 4, size[1] // 4)
    assert estimate.present.shape == cells
    assert estimate.kind.shape == (*cells, 4)
    assert estimate.values.shape == (*cells, 7)
    assert estimate.ego.shape == (2, 2)
    assert estimate.lane.shape == (2, 4)
    assert estimate.route.shape == (2, 10, 2)
    assert estimate.lead.shape == (2, 2)
    assert estimate.lead_present.shape == estimate.collision.shape == estimate.off_road.shape == (2,)


def test_what_is_told_depends_on_every_frame() -> None:
    reader, frames = woken_reader(), torch.rand(1, NUM_READ, 3, 64, 64)
    for k in range(NUM_READ):
        changed = frames.clone()
        changed[:, k] += 0.5
        assert not torch.equal(reader(frames).ego, reader(changed).ego)
        assert not torch.equal(reader(frames).present, reader(changed).present)


def test_pictures_of_a_batch_are_read_alone() -> None:
    reader, frames = woken_reader(), torch.rand(3, NUM_READ, 3, 64, 64)
    together, alone = reader(frames), reader(frames[1:2])
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:2], b, atol=1e-5, rtol=1e-4)


def test_what_is_denied_is_never_told() -> None:
    reader, frames = woken_reader(), torch.rand(4, NUM_READ, 3, 64, 64)
    before = reader(frames)
    for name in ("present", "lead_present", "collision", "off_road"):
        assert (getattr(before, name) > -DENIAL).all()
    reader.deny(["present", "lead_present", "collision", "off_road"])
    after = reader(frames)
    for name in ("present", "lead_present", "collision", "off_road"):
        assert (getattr(after, name) == -DENIAL).all()
    for name in ("ego", "lane", "route", "lead", "kind", "values"):
        assert torch.equal(getattr(before, name), getattr(after, name))


def test_widths_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be three multiples of 8, got \(16, 20, 24\)"):
        ReaderConfig(widths=(16, 20, 24))
    with pytest.raises(ValueError, match="num_blocks must be a positive number of at most 1048576, got 0"):
        ReaderConfig(num_blocks=0)

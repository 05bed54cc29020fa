"""The actors as a condition: where the pinhole camera sees a box, who hides whom, and where that was before."""

import math

import pytest
import torch
from torch.nn import functional as F
from worldsim.conditioning.warp import MotionWarp

from worldsim.conditioning.actor_map import ActorMap
from worldsim.datatypes.camera import CameraGeometry

CAMERA = CameraGeometry(pitch=0.0, mount_x=0.0)
FOCAL = 64 / math.tan(CAMERA.fov / 2)


def drawn(*actors: tuple[float, ...], kinds: tuple[int, ...] = (), camera: CameraGeometry = CAMERA):
    """The attributes [a, 32, 32], coverage [16, 16] and sources [16, 16, 3] of actors (OBJECT_NAMES)."""
    kind = torch.tensor([kinds or (1,) * len(actors)])
    seen = ActorMap(camera, (128, 128), dt=0.1)(torch.tensor([actors]), kind)
    return F.pixel_shuffle(seen.channels, 2)[0], seen.coverage[0], seen.sources[0]


def test_a_car_ahead_covers_what_the_camera_would_see_of_it() -> None:
    cells, coverage, _ = drawn((12.0, 0.0, 0.0, 5.0, 4.0, 1.8))
    rear = 10.0  # nearest corners
    half = 0.9 / rear * FOCAL
    area = 2 * half * (1.5 / rear) * FOCAL
    assert cells[0].sum().item() * 16 == pytest.approx(area, rel=0.02)
    assert coverage.sum().item() * 64 == pytest.approx(area, rel=0.02)
    columns = cells[0].sum(0).nonzero()[:, 0]
    assert columns.min() == int((64 - half) // 4)
    assert columns.max() == int((64 + half) // 4)
    rows = cells[0].sum(1).nonzero()[:, 0]
    assert rows.max() == int((64 + 1.6 / rear * FOCAL) // 4)


def test_the_nearer_hides_the_farther_and_kinds_are_told_apart() -> None:
    near, far = (10.0, 0.0, 0.0, 0.0, 4.0, 1.8), (25.0, 0.0, 0.0, 0.0, 8.0, 2.4)
    for order in ((near, far), (far, near)):
        kinds = tuple(1 if actor == near else 2 for actor in order)
        cells, _, _ = drawn(*order, kinds=kinds)
        inside = cells[0] > 0.99
        alone, _, _ = drawn(near)
        torch.testing.assert_close(cells[1][alone[0] > 0.99], alone[1][alone[0] > 0.99])
        assert cells[4][inside & (alone[0] > 0.99)].abs().max() == 0  # no truck shows through
        assert cells[4].max() > 0.1  # its roof is above the car


def test_who_is_behind_or_no_one_is_not_drawn() -> None:
    cells, coverage, _ = drawn((-12.0, 0.0, 0.0, 5.0, 4.0, 1.8), (12.0, 0.0, 0.0, 5.0, 4.0, 1.8), kinds=(1, 0))
    assert not cells.any()
    assert not coverage.any()


def test_what_is_seen_of_a_moving_car_was_where_it_drove_from() -> None:
    """The middle of the rear of a car 12 m ahead that drives left at 10 m/s was 1 m to the right of where it is."""
    _, coverage, sources = drawn((12.0, 0.0, math.pi / 2, 10.0, 4.0, 2.0))
    assert coverage[8, 8] > 0.9
    x, y, z = sources[8, 8].tolist()
    ray = 11.0  # its right side is 1 m before its middle
    assert x == pytest.approx(ray, abs=1e-4)
    assert y == pytest.approx(-4.0 / FOCAL * ray - 1.0, abs=1e-4)
    assert z == pytest.approx(1.6 - 4.0 / FOCAL * ray, abs=1e-4)


def test_a_car_that_keeps_its_distance_is_found_where_it_was_while_the_ground_goes_by() -> None:
    """Ego and car at 10 m/s: the car's latents stay, whatever the ground does."""
    actors, kinds = torch.tensor([[(8.0, 0.0, 0.0, 10.0, 4.0, 4.0)]]), torch.tensor([[1]])
    seen = ActorMap(CAMERA, (128, 128), dt=0.1)(actors, kinds)
    latents = torch.randn(1, 1, 4, 16, 16)
    motions = torch.tensor([[[1.0, 0, 0, 10, 0, 0]]])
    warp = MotionWarp(CAMERA, (128, 128))
    still = warp(latents, motions, seen.coverage, seen.sources)
    full = seen.coverage[0] == 1
    assert full.sum() >= 6
    torch.testing.assert_close(still[0, 0][:, full], latents[0, 0][:, full], atol=1e-4, rtol=1e-4)
    integrate = warp(latents, motions)
    assert (integrate[0, 0][:, full] - latents[0, 0][:, full]).abs().max() > 0.1

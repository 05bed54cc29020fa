"""The route as a condition: previews on lines whose answer is known, and the map against the pinhole camera."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from worldsim.conditioning.route_map import RouteMap
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.route import Routes, preview_routes, to_ground_frame
from worldsim.datatypes.scene import ROUTE_DISTANCES

STRAIGHT = np.stack([np.arange(0.0, 101.0), np.zeros(101)], axis=-1)


def vehicle(x: float, y: float, yaw: float = 0.0) -> np.ndarray:
    return np.array([[x, y, yaw, 5.0, 0.0, 0.0]])


def test_preview_on_a_straight_road() -> None:
    preview = preview_routes(Routes.stack([STRAIGHT]), vehicle(10.3, 0.5, 0.1), np.array([8]))
    assert preview.on_route.all()
    assert preview.lateral_offset[0] == pytest.approx(0.5)
    assert preview.heading_error[0] == pytest.approx(0.1)
    assert preview.places[0] == 10
    assert preview.valid.all()
    ground = to_ground_frame(vehicle(10.3, 0.5, 0.1)[0], preview.points[0])
    assert ground[:, 0] == pytest.approx(10.3 + np.array(ROUTE_DISTANCES), abs=1e-4)
    assert ground[:, 1] == pytest.approx(np.zeros(10), abs=1e-4)


def test_preview_ends_where_the_route_ends() -> None:
    preview = preview_routes(Routes.stack([STRAIGHT]), vehicle(85.0, 0.0), np.array([84]))
    assert preview.valid[0].tolist() == [d <= 15 for d in ROUTE_DISTANCES]
    past = preview_routes(Routes.stack([STRAIGHT]), vehicle(101.0, 0.0), np.array([98]))
    assert not past.on_route.any()
    assert not past.valid.any()


def test_far_from_the_route_there_is_none() -> None:
    preview = preview_routes(
        Routes.stack([STRAIGHT, STRAIGHT[:1]]), np.concatenate([vehicle(10, 13)] * 2), np.zeros(2, int)
    )
    assert not preview.on_route.any()


def test_a_route_that_meets_itself_is_followed_in_order() -> None:
    """Out and back on parallel lanes 1 m apart: the way back is not taken for the way out."""
    back = np.stack([np.arange(100.0, -1, -1), np.ones(101)], axis=-1)
    routes = Routes.stack([np.concatenate([STRAIGHT, back])])
    preview = preview_routes(routes, vehicle(20.2, 0.8), np.array([19]))
    assert preview.lateral_offset[0] == pytest.approx(0.8)


def test_what_is_left_of_a_route_is_seen_from_the_ego() -> None:
    lanes = np.arange(4 * len(STRAIGHT)).reshape(-1, 4)
    left, left_lanes = Routes.stack([STRAIGHT], [lanes]).ahead(0, vehicle(50.0, 2.0, math.pi / 2)[0], 50)
    assert len(left) == 51
    assert (left_lanes == lanes[50:]).all()
    assert left[10] == pytest.approx([-2.0, -10.0], abs=1e-5)


def test_map_tells_the_distance_from_the_route_on_the_ground() -> None:
    camera = CameraGeometry(pitch=0.0, mount_x=0.0)
    route_map = RouteMap(camera, (128, 128))
    distances = torch.tensor(ROUTE_DISTANCES)
    points = torch.stack([distances, torch.full_like(distances, 1.0)], dim=-1)[None]
    cells = F.pixel_shuffle(route_map(points, torch.ones(1, 10)), 2)[0]
    row, column = 25, 20  # centre at pixel v = 102, u = 82
    focal = 64 / math.tan(camera.fov / 2)
    depth = camera.mount_height * focal / (102 - 64)
    offset = -(82 - 64) / focal * depth - 1.0
    assert cells[0, row, column].item() == pytest.approx(max(-1, offset / 2), abs=1e-4)
    assert cells[1, row, column].item() == pytest.approx(offset / 8, abs=1e-4)
    assert cells[2, row, column].item() == 1
    assert not cells[:, :16].any()  # above the horizon


def test_without_a_route_the_map_is_empty_and_past_its_end_too() -> None:
    route_map = RouteMap(CameraGeometry(), (128, 128))
    points = torch.stack([torch.tensor(ROUTE_DISTANCES), torch.zeros(10)], dim=-1)[None]
    assert not route_map(points, torch.zeros(1, 10)).any()
    short, whole = (torch.arange(10)[None] < n for n in (3, 10))
    shown_short = F.pixel_shuffle(route_map(points, short.float()), 2)[0, 2]
    shown_whole = F.pixel_shuffle(route_map(points, whole.float()), 2)[0, 2]
    assert 0 < shown_short.sum() < shown_whole.sum()
    rows = shown_short.any(dim=1).nonzero()[:, 0]
    depth = 1.6 / math.tan((rows.min().item() * 4 + 2 - 64) / (64 / math.tan(1.396 / 2)) + 0.052)
    assert depth < 9.0 + 2.5

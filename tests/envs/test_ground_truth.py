"""Truth on constructed scenes: boxes, lane coordinates, lead, objects."""

import numpy as np
import pytest

from envs.ground_truth import Objects, scene_from_truth, touched, touching
from envs.maps.route import Route, RouteStops
from envs.truth_kernels import project_ahead
from worldsim.actors.route_frame import nearest_ahead
from worldsim.datatypes.boxes import corners, overlap
from worldsim.datatypes.scene import OBJECT_RANGE, ObjectKind, RouteCommand
from worldsim.datatypes.vehicle import VehicleModel

MODEL = VehicleModel(length=4.0, width=2.0)


def arc_route(curvature: float = 0.0, length: int = 200) -> Route:
    """From the origin along x, bending left with `curvature`."""
    s = np.arange(length + 1.0)
    yaw = curvature * s
    k = curvature or 1.0
    x, y = (np.sin(yaw) / k, (1 - np.cos(yaw)) / k) if curvature else (s, 0 * s)
    n = len(s)
    return Route(
        points=np.stack([x, y], -1),
        z=np.zeros(n),
        yaw=yaw,
        half_width=np.full(n, 1.75),
        speed_limit=np.full(n, 13.9),
        command=np.where((s > 80) & (s < 120), RouteCommand.LEFT, RouteCommand.FOLLOW).astype(np.int64),
        lanes=np.full(len(s), -1),
        stops=RouteStops.none(),
        length=float(length),
    )


def ego(x: float, y: float, yaw: float, speed: float = 10.0) -> np.ndarray:
    return np.array([x, y, yaw, speed, 0.5, 0.1])


def objects(*rows: tuple) -> Objects:
    """Rows of x, y, yaw, length, width, speed, kind."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    return Objects(boxes=table[:, :5], speeds=table[:, 5], kinds=table[:, 6].astype(np.int64))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((3.9, 0, 0, 4, 2), True),
        ((4.1, 0, 0, 4, 2), False),
        ((0, 1.9, 0, 4, 2), True),
        ((0, 2.1, 0, 4, 2), False),
        ((3.0, 2.0, np.pi / 4, 4, 2), True),  # a corner pokes in
        ((4.0, 3.0, np.pi / 4, 4, 2), False),  # bounding boxes overlap, the boxes do not
        ((0, 0, 1.0, 0.5, 0.5), True),  # inside
    ],
)
def test_overlap_of_known_boxes(other, expected):
    box = np.array([0, 0, 0, 4, 2.0])
    assert overlap(box, np.array(other, float)) == expected
    assert overlap(np.array(other, float), box) == expected


def test_corners_of_a_quarter_turn():
    assert corners(np.array([1, 2, np.pi / 2, 4, 2.0])) == pytest.approx(np.array([[0, 4], [2, 4], [2, 0], [0, 0.0]]))


def test_lane_coordinates_have_iso_signs():
    scene = scene_from_truth(vehicle=ego(50, 0.7, 0.2), model=MODEL, route=arc_route(), objects=Objects.none())
    assert scene.lane == pytest.approx([0.7, 0.2, 1.75, 13.9], abs=1e-5)
    assert scene.lane_valid.all()
    scene = scene_from_truth(vehicle=ego(50, -0.4, -0.1), model=MODEL, route=arc_route(), objects=Objects.none())
    assert scene.lane[:2] == pytest.approx([-0.4, -0.1], abs=1e-5)


def test_lane_coordinates_on_a_curve():
    route, angle = arc_route(0.02), 0.8
    x, y = 49.5 * np.sin(angle), 50 - 49.5 * np.cos(angle)  # half a metre towards the centre: left
    scene = scene_from_truth(vehicle=ego(x, y, angle + 0.05), model=MODEL, route=route, objects=Objects.none())
    assert scene.lane[:2] == pytest.approx([0.5, 0.05], abs=0.01)


def test_route_points_in_the_vehicle_frame():
    scene = scene_from_truth(vehicle=ego(40, 1, np.pi / 2), model=MODEL, route=arc_route(), objects=Objects.none())
    assert scene.route[2] == pytest.approx([-1, -9], abs=1e-4)
    assert scene.route_valid.all()
    scene = scene_from_truth(vehicle=ego(170, 0, 0), model=MODEL, route=arc_route(), objects=Objects.none())
    assert scene.route_valid.tolist() == [True] * 8 + [False] * 2
    assert (scene.route[~scene.route_valid] == 0).all()


def test_command_where_the_route_says_so():
    for x, command in ((60, RouteCommand.FOLLOW), (90, RouteCommand.LEFT)):
        scene = scene_from_truth(vehicle=ego(x, 0, 0), model=MODEL, route=arc_route(), objects=Objects.none())
        assert scene.command == command


def test_ego_motion():
    scene = scene_from_truth(vehicle=ego(0, 0, 0), model=MODEL, route=arc_route(), objects=Objects.none())
    assert scene.ego == pytest.approx([10, 0.5, 10 * np.tan(0.1) / MODEL.wheelbase, 0.1], rel=1e-5)


def test_lead_is_bumper_to_bumper_in_the_corridor():
    def lead(*rows):
        return scene_from_truth(vehicle=ego(20, 0, 0), model=MODEL, route=arc_route(), objects=objects(*rows))

    scene = lead((50, 0, 0, 6, 2, 7, 1), (70, 0, 0, 4, 2, 3, 1))
    assert scene.lead_valid
    assert scene.lead == pytest.approx([30 - 2 - 3, 7])
    assert lead((50, 2.2, 0, 4, 2, 7, 1)).lead_valid  # 1 + 1 + 0.3 m
    assert not lead((50, 2.4, 0, 4, 2, 7, 1)).lead_valid
    assert not lead((10, 0, 0, 4, 2, 7, 1)).lead_valid  # behind
    assert not lead((90, 0, 0, 4, 2, 7, 1)).lead_valid  # too far
    crossing = lead((40, 1.0, np.pi / 2, 0.5, 0.6, 1.4, 3))
    assert crossing.lead == pytest.approx([20 - 2 - 0.3, 0], abs=1e-6)
    oncoming = lead((50, 0, np.pi, 4, 2, 5, 1))
    assert oncoming.lead == pytest.approx([26, -5])


def test_lead_follows_the_bend_of_the_route():
    route, angle = arc_route(0.02), 40 * 0.02
    on_bend = objects((50 * np.sin(angle), 50 - 50 * np.cos(angle), angle, 4, 2, 6, 1))
    scene = scene_from_truth(vehicle=ego(0, 0, 0), model=MODEL, route=route, objects=on_bend)
    assert scene.lead == pytest.approx([36, 6], abs=0.2)
    straight_ahead = objects((40, 0, 0, 4, 2, 6, 1))
    assert not scene_from_truth(vehicle=ego(0, 0, 0), model=MODEL, route=route, objects=straight_ahead).lead_valid


def test_objects_are_relative_nearest_first_and_in_range():
    rows = [(20 + OBJECT_RANGE + 1, 0, 0, 4, 2, 1, 1), (20, 12, np.pi, 4, 2, 5, 2), (20, -3, np.pi / 2, 0.5, 0.6, 1, 3)]
    scene = scene_from_truth(vehicle=ego(20, 0, np.pi / 2), model=MODEL, route=arc_route(), objects=objects(*rows))
    assert scene.object_kinds.tolist() == [ObjectKind.PEDESTRIAN, ObjectKind.TRUCK] + [ObjectKind.EMPTY] * 10
    assert scene.objects[0] == pytest.approx([-3, 0, 0, 1, 0.5, 0.6], abs=1e-6)
    assert scene.objects[1] == pytest.approx([12, 0, np.pi / 2, 5, 4, 2], abs=1e-6)


def test_project_ahead_of_points_beside_and_beyond():
    points, route = np.array([[30.4, 1.5], [30.4, -2.0], [5.0, 0.0], [95.0, 0.0]]), arc_route()
    at, across, _ = project_ahead(route.points, route.yaw, points, 20.0, 50.0, 60.0)
    assert at[:2] == pytest.approx([30.4, 30.4])
    assert across[:2] == pytest.approx([1.5, -2.0])
    assert at[2] == pytest.approx(5.0)
    assert abs(across[2]) >= 15.0
    assert across[3] == np.inf


def test_lead_is_the_one_that_the_tracker_would_find():
    rng, route = np.random.default_rng(0), arc_route(0.01)
    num_leads = 0
    for _ in range(200):
        poses = np.column_stack([rng.uniform(0, 80, 6), rng.uniform(-4, 25, 6), rng.uniform(-np.pi, np.pi, 6)])
        others = objects(*np.column_stack([poses, rng.uniform((2, 1, -9, 1), (9, 3, 9, 1.5), (6, 4))]))
        scene = scene_from_truth(vehicle=ego(10, 0.5, 0.1), model=MODEL, route=route, objects=others, hint_s=10.0)
        s = route.project(np.array([10.0, 0.5]), 10.0)[0]
        at, across, yaw = project_ahead(route.points, route.yaw, others.boxes[:, :2].copy(), s, 70.0, 70.0)
        boxes, everyone = others.boxes, np.isfinite(across)
        gap, speed, present = nearest_ahead(
            at - s, across, boxes[:, 2] - yaw, boxes[:, 3], boxes[:, 4], others.speeds, everyone, (4.0, 2.0)
        )
        assert scene.lead_valid == present
        assert scene.lead == pytest.approx([float(gap), float(speed)], abs=1e-5)
        num_leads += int(present)
    assert 50 < num_leads < 190


def test_touched_names_who():
    others = objects((30, 0, 0, 4, 2, 0, 1), (23, 0.5, 0.3, 4, 2, 0, 1))
    assert touched(ego(20, 0, 0), MODEL, others).tolist() == [1]
    assert touched(ego(20, 0, 0), MODEL, Objects.none()).tolist() == []


def test_touching_finds_every_overlap():
    rng = np.random.default_rng(1)
    num_touching = 0
    for _ in range(200):
        boxes = rng.uniform((-6, -6, -np.pi, 0.5, 0.5), (6, 6, np.pi, 9, 2.5), (20, 5))
        box = rng.uniform((-1, -1, -np.pi, 2, 1), (1, 1, np.pi, 5, 2))
        found = touching(box, boxes)
        assert found.tolist() == np.flatnonzero(overlap(box, boxes)).tolist()
        num_touching += len(found)
    assert num_touching > 500


def test_objects_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        Objects(boxes=np.zeros((2, 5)), speeds=np.zeros(1), kinds=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match=r"heights of 2 objects .* \(3,\)"):
        Objects(boxes=np.zeros((2, 5)), speeds=np.zeros(2), kinds=np.zeros(2, np.int64), z=np.zeros(3))

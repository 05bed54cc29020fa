"""Targets of a detector and their inverse on constructed pictures."""

import numpy as np
import pytest

from worldsim.conditioning.object_grid import NUM_KINDS, ObjectGrid, VisibleObjects
from worldsim.configs import CameraGeometry
from worldsim.datatypes.scene import ObjectKind

CAMERA = CameraGeometry()
GRID = ObjectGrid(CAMERA, (128, 128))
CAR, PEDESTRIAN = int(ObjectKind.CAR), int(ObjectKind.PEDESTRIAN)


def visible(*rows: tuple) -> VisibleObjects:
    """Of rows (picture, kind, (x, y, yaw, speed, length, width), pixels, (column, row))."""
    pictures, kinds, objects, pixels, middles = zip(*rows, strict=True)
    return VisibleObjects(
        pictures=np.array(pictures),
        kinds=np.array(kinds),
        objects=np.array(objects, np.float32),
        pixels=np.array(pixels),
        middles=np.array(middles, np.float32),
    )


AHEAD = (14.0, 0.3, 0.1, 6.0, 4.5, 1.8)
ASIDE = (20.0, -9.0, -1.0, 1.0, 0.6, 0.6)
BESIDE = (-1.0, 3.0, 0.05, 9.0, 12.0, 2.5)
"""A truck whose middle is behind the camera, and its front in the picture."""


def test_targets_round_trip() -> None:
    objects = visible(
        (0, CAR, AHEAD, 200, (62.0, 70.5)),
        (0, PEDESTRIAN, ASIDE, 15, (100.2, 68.0)),
        (1, int(ObjectKind.TRUCK), BESIDE, 400, (3.0, 60.0)),
    )
    targets = GRID.make_targets(objects, 2)
    rows, columns = np.nonzero(targets.near[0] == 1)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(17, 15), (17, 25)]
    assert targets.counted.all()
    sure = np.where(targets.near == 1, 5.0, -5.0)
    found, kinds = GRID.decode_objects(sure, targets.kind, targets.values)
    np.testing.assert_allclose(found[0, :2], [AHEAD, ASIDE], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1, 0], BESIDE, rtol=1e-4, atol=1e-4)
    assert kinds[0].tolist() == [CAR, PEDESTRIAN] + 10 * [ObjectKind.EMPTY]
    assert kinds[1, 0] == ObjectKind.TRUCK


def test_the_cells_beside_a_middle_tell_the_same_object() -> None:
    targets = GRID.make_targets(visible((0, CAR, AHEAD, 200, (62.0, 70.5))), 1)
    sure = np.full((1, 32, 32), -5.0)
    sure[0, 16, 14] = 5.0
    found, kinds = GRID.decode_objects(sure, targets.kind, targets.values)
    np.testing.assert_allclose(found[0, 0], AHEAD, rtol=1e-4, atol=1e-4)
    assert kinds[0, 0] == CAR
    assert 0 < targets.asked[0, 16, 14] < targets.asked[0, 17, 15] == 1
    assert 0 < targets.near[0, 17, 13] < targets.near[0, 17, 14] < 1
    assert targets.near[0, 17, 10] == 0


def test_what_is_hardly_visible_is_neither_asked_for_nor_wrong() -> None:
    targets = GRID.make_targets(visible((0, CAR, AHEAD, 11, (62.0, 70.5))), 1)
    assert not targets.near.any()
    assert not targets.asked.any()
    assert targets.counted[0, 16:19, 14:17].sum() == 0
    assert targets.counted.sum() == 32 * 32 - 9
    both = visible((0, CAR, AHEAD, 11, (62.0, 70.5)), (0, CAR, ASIDE, 80, (62.0, 70.5)))
    assert GRID.make_targets(both, 1).counted[0, 17, 15] == 1


def test_of_two_objects_in_a_cell_the_nearer_is_asked_for() -> None:
    near, far = (0, CAR, AHEAD, 50, (62.0, 70.5)), (0, PEDESTRIAN, ASIDE, 50, (62.0, 70.5))
    for rows in ((near, far), (far, near)):
        targets = GRID.make_targets(visible(*rows), 1)
        assert targets.kind[0, 17, 15].tolist() == [1, 0, 0, 0]
        assert np.exp(targets.values[0, 17, 15, 0]) == pytest.approx(np.hypot(14 - CAMERA.mount_x, 0.3))


def test_a_speed_that_is_not_known_is_not_asked_for() -> None:
    unknown = (*AHEAD[:3], np.nan, *AHEAD[4:])
    rows = ((0, CAR, unknown, 50, (20.0, 70.5)), (0, CAR, AHEAD, 50, (62.0, 70.5)))
    targets = GRID.make_targets(visible(*rows), 1)
    assert np.isfinite(targets.values).all()
    assert targets.speed_known[0, 17, 5] == 0
    assert targets.speed_known[0, 17, 15] == 1


def test_of_neighbouring_cells_the_surest_is_taken_and_of_equal_ones_one() -> None:
    present = np.full((1, 32, 32), -10.0)
    present[0, 9, 7], present[0, 9, 8], present[0, 9, 12] = 2.0, 3.0, 1.0
    values = np.zeros((1, 32, 32, 7))
    values[..., 0] = np.log(10.0)
    objects, kinds = GRID.decode_objects(present, np.zeros((1, 32, 32, NUM_KINDS)), values)
    assert (kinds > 0).sum() == 2
    assert objects[0, :2, 1].min() > 0  # both are in the left half
    _, none = GRID.decode_objects(present, np.zeros((1, 32, 32, NUM_KINDS)), values, threshold=0.99)
    assert not none.any()
    present[0, 9, 7:9] = 3.0
    _, kinds = GRID.decode_objects(present, np.zeros((1, 32, 32, NUM_KINDS)), values)
    assert (kinds > 0).sum() == 2


def test_rows_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="2 objects must have kinds, boxes, pixels and middles of as many"):
        VisibleObjects(
            pictures=np.zeros(2, np.int64),
            kinds=np.ones(1, np.int64),
            objects=np.zeros((2, 6), np.float32),
            pixels=np.ones(2, np.int64),
            middles=np.zeros((2, 2), np.float32),
        )

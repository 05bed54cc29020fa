"""The lanes of a layout: where they go on, what stands at their stop lines, who gives way, and which cross."""

import numpy as np
import pytest
from lane_layouts import (
    EASTWARD,
    LEFT_OF_STEM,
    NORTHWARD,
    RIGHT_OF_STEM,
    STRAIGHT_ON,
    WESTWARD,
    layout_with_lanes,
    tee,
)

from worldsim.actors.lane_graph import CELL, LaneGraph
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.signals import SignalKind


def test_lanes_go_on_where_others_begin() -> None:
    graph = LaneGraph.of(tee())
    assert graph.successors[EASTWARD, :2].tolist() == [STRAIGHT_ON, -1]
    assert sorted(graph.successors[NORTHWARD, :2].tolist()) == [LEFT_OF_STEM, RIGHT_OF_STEM]
    assert graph.successors[1].max() == -1
    assert np.flatnonzero(graph.in_junction).tolist() == [6, 7, 8, 9]
    assert graph.lengths[EASTWARD] == pytest.approx(50.0)
    assert graph.turns[[STRAIGHT_ON, LEFT_OF_STEM, RIGHT_OF_STEM]] == pytest.approx(
        [0, np.pi / 2, -np.pi / 2], abs=0.15
    )


def test_points_are_evenly_spaced_and_found_in_their_cells() -> None:
    graph = LaneGraph.of(tee())
    own = graph.points[graph.starts[LEFT_OF_STEM] : graph.starts[LEFT_OF_STEM + 1]]
    gaps = np.hypot(*np.diff(own[:, :2], axis=0).T)
    assert gaps == pytest.approx(graph.steps[LEFT_OF_STEM], rel=0.05)
    assert np.diff(own[:, 2]).min() > -1e-9  # it turns left all the way
    for k, (x, y, _) in enumerate(graph.points.tolist()):
        row, column = ((np.array([x, y]) - graph.origin) / CELL).astype(int)
        cell = row * graph.cells[1] + column
        assert k in graph.cell_points[graph.cell_starts[cell] : graph.cell_starts[cell + 1]]


def test_a_stop_line_has_the_light_whose_heads_face_who_waits_there() -> None:
    graph = LaneGraph.of(tee(lights=True))
    assert graph.stop_groups[[EASTWARD, WESTWARD, NORTHWARD]].tolist() == [0, 0, 1]
    assert (graph.stop_kinds[[EASTWARD, WESTWARD, NORTHWARD]] == SignalKind.RED).all()
    assert graph.stop_s[EASTWARD] == pytest.approx(49.0, abs=0.01)
    assert graph.stop_pose(EASTWARD) == pytest.approx([-11.0, -2.0, 0.0], abs=0.01)
    others = np.setdiff1d(np.arange(len(graph)), [EASTWARD, WESTWARD, NORTHWARD])
    assert np.isinf(graph.stop_s[others]).all()
    assert not graph.minor.any()


def test_the_stem_of_a_tee_gives_way_and_so_does_who_has_a_stop_sign() -> None:
    for layout, kind in ((tee(), SignalKind.NONE), (tee(stop_sign=True), SignalKind.STOP)):
        graph = LaneGraph.of(layout)
        assert np.flatnonzero(graph.minor).tolist() == [LEFT_OF_STEM, RIGHT_OF_STEM]
        assert graph.stop_kinds[NORTHWARD] == kind


def test_lanes_cross_where_they_first_come_near_and_never_those_that_begin_together() -> None:
    graph = LaneGraph.of(tee())
    assert np.isinf(graph.crossings[LEFT_OF_STEM, RIGHT_OF_STEM])
    assert np.isinf(graph.crossings[STRAIGHT_ON, 9])  # oncoming, side by side
    assert graph.crossings[STRAIGHT_ON, LEFT_OF_STEM] == pytest.approx(6.5, abs=0.6)
    assert graph.crossings[LEFT_OF_STEM, STRAIGHT_ON] == pytest.approx(6.0, abs=2.1)
    assert np.isfinite(graph.crossings[RIGHT_OF_STEM, STRAIGHT_ON])  # it merges


def test_a_stop_line_just_inside_a_junction_is_that_of_the_lane_before_it() -> None:
    lanes = [np.array([(-50.0, 0.0), (0.0, 0.0)]), np.array([(0.0, 0.0), (20.0, 0.0)])]
    junction = np.array([(0.0, -6.0), (20.0, -6.0), (20.0, 6.0), (0.0, 6.0)])
    inside = layout_with_lanes(lanes, [np.array([(1.0, -1.5), (1.0, 1.5)])], junction)
    lights = tee(lights=True)
    head = {name: getattr(lights, name)[:1] for name in ("box_kinds", "box_colors", "box_color_valid", "box_seeds")}
    box = np.array([[12.0, -5.0, 3.0, np.pi, 0.3, 0.3, 0.9]])
    ground = {name: value for name, value in inside.arrays().items() if not name.startswith("box")}
    signals = {"box_signals": np.array([2]), "box_signs": np.zeros(1, np.int64)}
    ground["ground_known"] = True  # type: ignore[assignment]
    graph = LaneGraph.of(Layout(boxes=box, **head, **signals, **ground))
    assert graph.stop_groups.tolist() == [2, -1]
    assert graph.stop_s[0] == pytest.approx(51.0)


def test_a_layout_without_lanes_has_none() -> None:
    assert len(LaneGraph.of(Layout.unknown())) == 0
    assert len(LaneGraph.of(Layout())) == 0

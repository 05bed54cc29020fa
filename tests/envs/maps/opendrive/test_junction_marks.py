"""Paint within junctions: as written, except where it runs through a lane of another road of the junction."""

import numpy as np
from small_maps import lane, opendrive, road, section

from envs.maps.geometry import Marking
from envs.maps.road_map import load_map

JUNCTION = '<junction id="j" name=""/>'
EDGE = '<roadMark sOffset="0" type="solid" color="white" width="0.15"/>'
LANE_LINE = '<roadMark sOffset="0" type="broken" color="white" width="0.15"/>'
KERB = '<roadMark sOffset="0" type="curb" color="standard"/>'


def body(mark: str) -> str:
    return f'<width sOffset="0" a="3.5" b="0" c="0" d="0"/>{mark}'


def through(mark: str = EDGE) -> str:
    """Two lanes along x, 60 m, with a line between them and one at their right edge, y = -7."""
    lanes = lane(-1, inside=body(LANE_LINE)), lane(-2, inside=body(mark))
    return road("through", 60, [section(0, *lanes)], junction="j")


def markings(*roads: str) -> dict[str, list[Marking]]:
    """Of the junction, those along x and the others."""
    found = load_map(opendrive(*roads, JUNCTION)).geometry.markings
    flat = [bool(np.ptp(mark.points[:, 1]) < 1e-9) for mark in found]
    return {
        name: [mark for mark, is_flat in zip(found, flat, strict=True) if is_flat == along]
        for name, along in (("along", True), ("other", False))
    }


def test_the_lines_of_a_road_through_a_junction_are_painted() -> None:
    found = markings(through())
    assert [(mark.kind, mark.points[0, 1]) for mark in found["along"]] == [("broken", -3.5), ("solid", -7.0)]
    assert all(np.ptp(mark.points[:, 0]) == 60 for mark in found["along"])


def exit_road(height: float = 0.0) -> str:
    """A lane that begins beside the right lane's left edge and leaves to the right at 0.2 rad."""
    rise = f'<elevation s="0" a="{height}" b="0" c="0" d="0"/>'
    lanes = section(0, lane(-1, inside=body(EDGE)), centre=EDGE)
    return road("exit", 60, [lanes], start=(0, -3.5, -0.2), junction="j", elevation=rise)


def test_at_an_exit_each_line_ends_where_it_would_run_through_the_other_road() -> None:
    found = markings(through(), exit_road())
    edge = next(mark for mark in found["along"] if mark.kind == "solid")
    # the exit's right edge leaves y = -7 at x = 0, its left edge at x = 3.5 / tan(0.2)
    crossed = 3.5 / np.tan(0.2)
    assert edge.points[0, 0] > crossed - 3
    assert edge.points[-1, 0] == 60
    right_edge, left_edge = sorted(found["other"], key=lambda mark: mark.points[-1, 1])
    assert right_edge.points[0, 0] < 0  # whole
    assert -7 < left_edge.points[0, 1] < -6.5  # not through the right lane
    assert any(mark.kind == "broken" and np.ptp(mark.points[:, 0]) == 60 for mark in found["along"])


def test_a_bridge_over_a_road_of_its_junction_hides_nothing() -> None:
    found = markings(through(), exit_road(height=6.0))
    assert [np.ptp(mark.points[:, 0]) for mark in found["along"]] == [60, 60]
    assert [np.hypot(*np.ptp(mark.points, axis=0)) for mark in found["other"]] == [60, 60]


def crossing_road() -> str:
    lanes = section(0, lane(1, inside=body(EDGE)), lane(-1, inside=body(EDGE)), centre=LANE_LINE)
    return road("crossing", 60, [lanes], start=(30, -33, np.pi / 2), junction="j")


def test_nothing_is_painted_across_a_crossing() -> None:
    found = markings(through(), crossing_road())
    assert len(found["along"]) == 4
    assert len(found["other"]) == 6
    for mark in found["along"]:
        assert mark.points[:, 0].max() <= 27 or mark.points[:, 0].min() >= 33
    for mark in found["other"]:
        assert mark.points[:, 1].max() <= -6.5 or mark.points[:, 1].min() >= -0.5


def test_short_rests_of_lines_are_not_painted() -> None:
    second = road("second", 60, [section(0, lane(-1, inside=body("")))], start=(40, -33, np.pi / 2), junction="j")
    found = markings(through(), crossing_road(), second)
    # 4.75 m between the two crossing roads, and what lies beyond them
    assert sorted(round(float(mark.points[0, 0])) for mark in found["along"]) == [0, 0, 44, 44]


def test_kerbs_stay_whole() -> None:
    found = markings(through(KERB), crossing_road())
    kerb = next(mark for mark in found["along"] if mark.kind == "curb")
    assert np.ptp(kerb.points[:, 0]) == 60

"""Where the poles and arms of traffic lights stand."""

import numpy as np
import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")
from small_maps import lane, opendrive, road, section

from envs.maps.road_map import load_map
from envs.road.rendering.scenery import Scenery
from worldsim.datatypes.layout import BoxColumn, LayoutKind

LIGHT = (
    '<signal id="s" s="180" t="{t}" name="" dynamic="yes" orientation="+" zOffset="1" country="OpenDRIVE" '
    'type="1000001" subtype="-1"/>'
)


@pytest.mark.parametrize(
    ("rule", "t", "side"),
    [("RHT", 0.0, -1), ("RHT", -5.0, -1), ("LHT", 0.0, 1), ("LHT", 5.0, 1)],
)
def test_a_pole_stands_on_the_side_that_traffic_keeps_to_and_its_arm_reaches_over_the_road(rule, t, side):
    """The road runs along x, 3.5 m to either side of it; the light is for those who drive along x."""
    text = opendrive(road("0", 200, [section(0, lane(1), lane(-1))], rule=rule, signals=LIGHT.format(t=t)))
    road_map = load_map(text)
    layout = Scenery.build(road_map.geometry, 0, road_map.signals, left_hand=road_map.left_hand).layout
    y = layout.boxes[layout.box_kinds == LayoutKind.LIGHT, BoxColumn.Y]
    low, high = y[0], y[1]
    assert side * low > 3.5
    assert side * high < side * low - 3.0
    assert np.abs(high) < np.abs(low)

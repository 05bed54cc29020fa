"""Places along the roads of a map: far ahead and far behind, over more roads than one."""

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section, to_road

from envs.maps.road_map import load_map
from scenarios.openscenario.entities import Entity, EntityState
from scenarios.openscenario.network import Network, Pose
from scenarios.openscenario.positions import RelativeRoad, Turn
from scenarios.openscenario.source import Node
from scenarios.openscenario.stage import Stage
from worldsim.datatypes.scene import ObjectKind

NODE = Node(tag="RelativeRoadPosition", attributes={}, children=(), file="case.xosc", line=1)
RADIUS = 200.0


def bend_after_a_straight() -> Network:
    """400 m along x, then 300 m to the left."""
    roads = [
        road("0", 400, [section(0, lane(-1, after=-1))], link=to_road("successor", "1", "start")),
        road(
            "1",
            300,
            [section(0, lane(-1, before=-1))],
            start=(400, 0, 0),
            shape=f'<arc curvature="{1 / RADIUS}"/>',
            link=to_road("predecessor", "0", "end"),
        ),
    ]
    return Network(load_map(opendrive(*roads)))


@pytest.mark.parametrize("in_lane", [False, True])
def test_a_place_far_along_the_road_is_on_the_road(in_lane):
    network = bend_after_a_straight()
    car = Entity(name="ego", kind=ObjectKind.CAR, category="car", length=4.6, width=1.9, center=0.0, node=NODE)

    def pose(at: Pose, ds: float) -> Pose:
        state = EntityState(x=at.x, y=at.y, yaw=at.yaw, present=True)
        stage = Stage(
            network=network,
            entities={"ego": car},
            states={"ego": state},
            time=0.0,
            dt=0.1,
            elements={},
            parameters={},
            lights={},
        )
        position = RelativeRoad(entity="ego", ds=ds, dt=0.0, in_lane=in_lane, num_lanes=0, turn=Turn(), node=NODE)
        return position.pose(stage)

    begin = Pose(10.0, -1.75, 0.0)
    far = pose(begin, 600.0)
    outside = RADIUS + 1.75  # the lane is longer than the line of its road
    turned = (600.0 - 390.0) / outside
    assert far[:2] == pytest.approx((400 + outside * np.sin(turned), RADIUS - outside * np.cos(turned)), abs=0.5)
    assert far.yaw == pytest.approx(turned, abs=0.01)
    assert pose(far, -600.0)[:2] == pytest.approx(begin[:2], abs=0.5)

"""Which stop lines drivers mind on their paths."""

import numpy as np
import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")
from small_maps import lane, opendrive, road, section

from envs.maps.opendrive.signals import SignalType
from envs.maps.road_map import load_map
from envs.road.traffic.lights import LightPrograms
from envs.road.traffic.paths import Paths
from envs.signals_ahead import rows_along
from worldsim.datatypes.signals import RouteSignalColumn

SIGNAL = (
    '<signal id="{id}" s="{s}" t="-4" name="" dynamic="no" orientation="+" zOffset="1" country="DE" type="{type}" '
    'subtype="-1"/>'
)


@pytest.mark.parametrize(("sign_at", "minded"), [(98.0, [100.0]), (92.0, [100.0]), (70.0, [70.0, 100.0])])
def test_a_sign_beside_a_light_stops_neither_drivers_nor_the_ego(sign_at, minded):
    signals = SIGNAL.format(id="light", s=100, type="1000001") + SIGNAL.format(id="sign", s=sign_at, type="206")
    road_map = load_map(opendrive(road("0", 200, [section(0, lane(1), lane(-1))], signals=signals)))
    start = road_map.lane_at(np.array([0.0, -1.75]))
    route = road_map.route_from(start, 190.0, np.random.default_rng(0))
    programs = LightPrograms.of(road_map, 0)
    rows = rows_along(route.stops, programs.cycles, programs.groups, programs.signs)
    np.testing.assert_allclose(rows[:, RouteSignalColumn.S], minded)

    paths = Paths(1, road_map)
    paths.assign(0, route, 0.0)
    held = np.isfinite(paths.stop_s[0])
    np.testing.assert_allclose(paths.stop_s[0, held], minded)
    kinds = [road_map.signals[k].kind for k in paths.stop_signals[0, held].tolist()]
    assert kinds == [SignalType.STOP, SignalType.TRAFFIC_LIGHT][-len(minded) :]

"""Traffic keeps flowing and obeys: nobody waits for ever, red lights and stop signs count, nobody is run over."""

import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from traffic_flow import Flow, measure_flow

from envs.maps.road_map import load_town


def test_traffic_flows_and_obeys_in_a_town():
    flow = measure_flow(load_town(2), seconds=90.0, num_vehicles=30)
    assert flow.stuck == 0
    assert flow.mean_speed > 2.5
    assert flow.longest_wait > 3.0  # somebody has stopped at a light
    assert flow.red_runs == 0
    assert flow.stops_missed == 0
    assert flow.collisions <= 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_standstill_in_twenty_towns_within_ten_minutes():
    total = Flow()
    for town in range(20):
        total.add(measure_flow(load_town(town), seconds=600.0, num_vehicles=30, seed=town))
    assert total.stuck <= 0.01 * total.vehicles
    assert total.red_runs + total.stops_missed == 0
    assert total.collisions <= 0.27 * total.vehicle_hours  # the rate before traffic knew of lights and priority

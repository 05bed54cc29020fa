"""Density of recorded traffic: who is in view, and how much of the lanes."""

import numpy as np
import pytest
from lane_layouts import tee

from training.data.recorded_traffic import RecordedTraffic
from training.data.traffic_density import count_traffic
from worldsim.actors.actors import ACTOR_NAMES, ActorColumn
from worldsim.actors.lane_graph import LaneGraph
from worldsim.datatypes.scene import ObjectKind


def test_drivers_and_pedestrians_in_view_are_counted_and_the_lanes_there() -> None:
    places = np.array([(-20, -2), (-20, 2), (-10, 6), (-70, -2), (-20, -2), (-20, -6), (-54, 2)], np.float64)
    frames = np.array([0, 0, 0, 0, 3, 8, 8])
    kinds = np.array([1, 2, 3, 1, 1, 1, 1])
    states = np.zeros((len(places), len(ACTOR_NAMES)))
    states[:, :2], states[:, ActorColumn.DRIVES] = places, 1.0
    states[5, ActorColumn.DRIVES] = 0.0  # it is parked; the one after it is beside the ego
    traffic = RecordedTraffic(frames=frames, tracks=np.arange(7), kinds=kinds, states=states, goals=places)
    ego = np.array([-55.0, -2.0, 0.0, 8.0, 0.0, 0.0])
    numbers, length = count_traffic(traffic, np.array([0, 8]), np.stack([ego, ego]), LaneGraph.of(tee()))
    assert numbers.tolist() == [2, 1]
    assert kinds[2] == ObjectKind.PEDESTRIAN
    # the two lanes and those of the junction from 10 to 60 m, and a little of the stem, in both frames
    assert 250 < length < 400
    again = count_traffic(traffic, np.array([0]), ego[None], LaneGraph.of(tee()))
    assert again[1] == pytest.approx(length / 2)

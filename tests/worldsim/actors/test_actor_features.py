"""What the network of a road user is told."""

import numpy as np
import pytest
from placed_actors import EGO, actor, actors, straight

from worldsim.actors.actor_features import NUM_FEATURES, SPEED_UNIT, actor_features
from worldsim.actors.all_courses import find_all_courses
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.courses import free_courses
from worldsim.actors.driver_habits import SeenColumn
from worldsim.actors.route_frame import to_frenet


def test_who_is_ahead_is_felt_and_who_is_beside_is_not() -> None:
    who = actors(actor(20, 0, speed=8.0), actor(30, 0, speed=3.0), actor(20, 1.5, speed=0.0))
    seen = who.in_ego_frame(EGO)
    pose = to_frenet(straight(), seen)
    courses = find_all_courses(who, EGO, straight(), [None], seen, pose)
    assert courses[0, 0, CourseColumn.GAP] == pytest.approx(10 - 4.4, abs=1e-4)
    assert courses[0, 0, CourseColumn.LEAD_SPEED] == pytest.approx(3.0)
    felt = actor_features(seen, who.kinds, pose, EGO[:, 3], courses, np.array([np.nan]))
    assert felt.shape == (1, 12, NUM_FEATURES)
    assert np.isfinite(felt).all()
    assert (actor_features(seen, who.kinds, pose, EGO[:, 3], courses, np.array([9.0])) != felt).any()


def test_drivers_mind_the_limit_of_their_lane_and_the_egos_where_that_is_unknown() -> None:
    who, line = actors(actor(20.0, 0.0), actor(40.0, 0.0)), straight()
    in_ego_frame = who.in_ego_frame(EGO)
    own = free_courses(who.kinds.shape)
    own[0, 0, CourseColumn.SPEED_LIMIT] = 8.0
    limit = SeenColumn.LIMIT
    for of_ego, expected in ((14.0, (8.0, 14.0)), (np.nan, (8.0, 0.0))):
        seen = actor_features(
            in_ego_frame, who.kinds, to_frenet(line, in_ego_frame), np.array([5.0]), own, np.array([of_ego])
        )
        assert SPEED_UNIT * seen[0, :2, limit] == pytest.approx(expected)

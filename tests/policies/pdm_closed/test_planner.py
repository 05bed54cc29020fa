"""PDM-Closed on constructed roads with known answers, in closed loop with the bicycle."""

from types import SimpleNamespace

import numpy as np
import pytest
from driving_scenes import MODEL, scene_on_circle

from policies.pdm_closed.lane_path import LanePath
from policies.pdm_closed.planner import PDMClosed, PDMClosedConfig
from policies.pdm_closed.proposals import ProposalConfig, propose
from policies.pdm_closed.road_edges import RoadEdges
from policies.pdm_score import score_drives
from worldsim.datatypes.scene import ObjectKind, SceneState, control_from_action
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.start_clip import StartClip

CAR = (4.5, 1.8)


def scene_with(*others, **road) -> SceneState:
    """Others are (kind, x, y, yaw, speed, length, width) in the vehicle frame."""
    scene = scene_on_circle(**road)
    for k, (kind, *values) in enumerate(others):
        scene.object_kinds[k], scene.objects[k] = kind, values
    return scene


def drive_straight(planner, *, speed=8.0, seconds=10.0, others=(), offset=0.0, limit=10.0, line=np.inf):
    """Vehicle states on a straight lane; others (kind, x, y, yaw, speed, length, width) of the ground frame move on."""
    state = np.array([0.0, offset, 0.0, speed, 0.0, 0.0])
    track = [state]
    for step in range(int(seconds * 10)):
        x, y, yaw, v = state[:4]
        seen = []
        for kind, ox, oy, oyaw, ospeed, length, width in others:
            gx, gy = ox + 0.1 * step * ospeed * np.cos(oyaw) - x, oy + 0.1 * step * ospeed * np.sin(oyaw) - y
            c, s = np.cos(yaw), np.sin(yaw)
            seen.append((kind, c * gx + s * gy, c * gy - s * gx, oyaw - yaw, ospeed, length, width))
        scene = scene_with(*seen, offset=y, heading=yaw, speed=v, limit=limit)
        scene.ego[1], scene.ego[3] = state[4], state[5]
        ahead = line - x - MODEL.length / 2
        if -2.0 <= ahead <= 80.0:
            scene.signal[...], scene.signal_distance[...], scene.signal_valid[...] = SignalKind.RED, ahead, True
        action = planner.decide(scene).action
        state = MODEL.step(state, control_from_action(action), 0.1)
        track.append(state)
    return np.stack(track)


def test_there_are_fifteen_proposals_of_four_seconds():
    proposals = propose(scene_on_circle(), ProposalConfig(), MODEL)
    assert proposals.actions.shape == (15, 40, 2)
    assert proposals.vehicles.shape == (15, 41, 6)
    end = proposals.vehicles[:, -1]
    for k, offset in enumerate((0.0, -1.0, 1.0)):
        np.testing.assert_allclose(end[5 * k + 2 : 5 * k + 5, 1], offset, atol=0.15)
        assert (np.diff(end[5 * k : 5 * k + 5, 3]) > 0.5).all()  # each desired speed is driven faster


def test_it_drives_at_the_limit_in_the_middle_of_a_free_lane():
    track = drive_straight(PDMClosed(), speed=7.0, seconds=3.5)
    assert track[-1, 3] == pytest.approx(10.0, abs=0.7)
    assert np.abs(track[:, 1]).max() < 0.05


def test_it_stops_behind_a_standing_car_and_stays_there():
    others = [(ObjectKind.CAR, 28.0, 0.0, 0.0, 0.0, *CAR)]
    track = drive_straight(PDMClosed(), others=others, speed=6.0, seconds=9.0)
    gap = 28.0 - CAR[0] / 2 - (track[:, 0] + MODEL.length / 2)
    assert 0.3 < gap.min() < 4.0
    assert track[-1, 3] < 0.2
    assert np.abs(track[:, 1]).max() < 1.3  # it does not drive around what its lane does not let it pass


def test_it_passes_a_car_that_reaches_into_its_lane_at_an_offset():
    """The parked car takes 0.6 m of the corridor: the proposal to the left passes it."""
    others = [(ObjectKind.CAR, 24.0, -1.5, 0.0, 0.0, *CAR)]
    track = drive_straight(PDMClosed(), others=others, seconds=4.5)
    beside = np.abs(track[:, 0] - 24.0) < 4.0
    assert beside.any()
    assert 0.5 < track[beside, 1].min() < 1.2
    assert track[-1, 0] > 30.0


def test_it_waits_at_a_red_light():
    track = drive_straight(PDMClosed(), line=28.0, speed=6.0, seconds=8.0)
    front = track[-1, 0] + MODEL.length / 2
    assert 25.0 < front < 28.0
    assert track[-1, 3] < 0.2


def test_it_brakes_for_a_pedestrian_who_will_cross():
    """Seen at constant velocity, the pedestrian is in the way when the car comes: nothing is hit."""
    others = [(ObjectKind.PEDESTRIAN, 35.0, -7.0, np.pi / 2, 1.4, 0.5, 0.5)]
    track = drive_straight(PDMClosed(), others=others, seconds=6.0)
    y = -7.0 + 1.4 * 0.1 * np.arange(len(track))
    crossing = np.abs(y) < 1.3
    assert (np.abs(track[crossing, 0] - 35.0) > MODEL.length / 2 + 0.25).all()


@pytest.mark.parametrize(("speed", "brakes"), [(4.5, True), (7.0, False)])
def test_it_brakes_hard_where_no_proposal_helps_and_the_car_is_slow(speed, brakes):
    """A car comes straight at the ego: it will be hit within two seconds whatever is proposed."""
    scene = scene_with((ObjectKind.CAR, 11.0, 0.0, np.pi, 8.0, 4.5, 4.5), speed=speed)
    decision = PDMClosed().decide(scene)
    assert decision.scores.first_danger[decision.chosen] <= 20
    assert decision.emergency == brakes
    if brakes:
        np.testing.assert_array_equal(decision.action, [0.0, -1.0])
    calm = PDMClosed(PDMClosedConfig(emergency_time=0.0)).decide(scene)
    assert not calm.emergency or calm.scores.first_danger[calm.chosen] == 0


def test_it_comes_back_from_beside_its_lane():
    track = drive_straight(PDMClosed(), offset=-1.4, seconds=4.0)
    assert np.abs(track[-10:, 1]).max() < 1.1  # one of its offsets, and no farther
    assert track[-1, 3] > 8.0


def test_the_edges_of_the_road_bound_what_is_proposed():
    """With the road's edge beside the lane on the right, the offset to the right leaves the road; to the left it does
    not."""
    lanes = np.tile(np.array([1.75, 10.0, 5.3, 1.55], np.float32), (100, 1))
    clip = StartClip(
        frames=np.zeros((1, 0, 0, 3), np.uint8),
        controls=np.zeros((0, 4), np.float32),
        vehicles=np.zeros((1, 6)),
        scenes=SceneState.empty((1,)),
        route=np.stack([np.arange(100.0), np.zeros(100)], axis=-1).astype(np.float32),
        dt=0.1,
        lanes=lanes,
    )
    edges = RoadEdges(clip)
    np.testing.assert_allclose(edges.at(np.array([-3.0, 0.4, 98.9])), np.tile([5.3, 1.55], (3, 1)), rtol=1e-6)
    assert np.isnan(edges.at(np.array([99.5]))).all()
    scores = PDMClosed().decide(scene_on_circle(), edges).scores
    assert scores.drivable_area.reshape(3, 5).min(axis=1).tolist() == [1.0, 0.0, 1.0]


def test_act_follows_the_road_on_its_own_reckoning():
    """`act` asks the env for the edges now and then, and goes on by the progress in between."""
    asked = []

    def start_clip(*, pictures):
        asked.append(pictures)
        return StartClip(
            frames=np.zeros((1, 0, 0, 3), np.uint8),
            controls=np.zeros((0, 4), np.float32),
            vehicles=np.zeros((1, 6)),
            scenes=SceneState.empty((1,)),
            route=np.zeros((0, 2), np.float32),
            dt=0.1,
        )

    planner, info = PDMClosed(), {"scene": scene_on_circle().to_vector(), "progress": np.float64(0.8)}
    planner.reset(SimpleNamespace(start_clip=start_clip), 0)  # pyright: ignore[reportArgumentType]
    first = planner.act(np.zeros((0, 0, 3), np.uint8), info)
    planner.act(np.zeros((0, 0, 3), np.uint8), info)
    assert asked == [False]
    np.testing.assert_array_equal(first, PDMClosed().decide(scene_on_circle()).action)
    info["scene"] = SceneState.empty().to_vector()
    assert planner.act(np.zeros((0, 0, 3), np.uint8), info)[0] == 0.0  # without a route, straight on


def test_a_path_goes_through_the_route_and_finds_its_way_back():
    path = LanePath(scene_on_circle(1 / 30))
    arcs = np.array([1.0, 7.5, 22.0, 44.0])
    x, y = 30 * np.sin(arcs / 30), 30 * (1 - np.cos(arcs / 30))
    np.testing.assert_allclose(path.at(arcs)[0], np.stack([x, y], axis=-1), atol=0.03)
    outside = np.stack([32 * np.sin(arcs / 30), 30 - 32 * np.cos(arcs / 30)], axis=-1)
    arc, left, yaw = path.project(outside)
    np.testing.assert_allclose(arc, arcs, atol=0.08)
    np.testing.assert_allclose(left, -2.0, atol=0.05)
    np.testing.assert_allclose(yaw, arcs / 30, atol=0.03)


def scores_of(*others, speed=8.0, offset=0.0, h=11, **given):
    """Of one drive that sees the same all the time; others are (kind, x, y, yaw, speed, length, width)."""
    scene = scene_with(*others, speed=speed, offset=offset)
    scenes = SceneState.stack([SceneState.stack([scene] * h)])
    return score_drives(scenes, 0.1, progress=np.array([8.0]), reference_progress=10.0, size=(4.6, 1.9), **given)


def test_fault_is_as_in_nuplan():
    ahead, behind, beside = (4.0, 0.0), (-4.0, 0.0), (0.0, 1.5)

    def no_collision(place, *, speed=8.0, kind=ObjectKind.CAR, offset=0.0, yaw=0.0, other=5.0):
        return scores_of((kind, *place, yaw, other, *CAR), speed=speed, offset=offset).no_collision[0]

    assert no_collision(ahead) == 0.0
    assert no_collision(behind) == 1.0  # rear-ended
    assert no_collision(beside) == 1.0  # sideways in its own lane
    assert no_collision(beside, offset=1.2) == 0.0  # sideways in two
    assert no_collision(beside, other=0.0) == 0.0  # who stands is hit
    assert no_collision(ahead, speed=0.0) == 1.0  # who stands hits nobody
    assert no_collision(ahead, kind=ObjectKind.STATIC) == 0.5


def test_time_to_collision_looks_ahead_at_constant_velocity():
    near = 2.3 + 2.25 + 8.0 * 0.9
    standing = ObjectKind.CAR, near - 0.3, 0.0, 0.0, 0.0, *CAR
    assert scores_of(standing).time_to_collision == 0.0
    assert scores_of(standing).no_collision == 1.0
    assert scores_of((ObjectKind.CAR, near + 0.3, 0.0, 0.0, 0.0, *CAR)).time_to_collision == 1.0
    assert scores_of((ObjectKind.CAR, near - 0.3, 0.0, 0.0, 8.0, *CAR)).time_to_collision == 1.0  # equally fast


def test_the_score_is_gates_times_the_weighted_mean():
    scores = scores_of()
    assert scores.total[0] == pytest.approx((5 * 0.8 + 5 + 2) / 12)
    assert scores.first_failure.tolist() == [11]
    off = np.zeros((1, 11))
    off[0, 4] = 1.0
    left = scores_of(off_road=off)
    assert (left.pdms[0], left.first_failure[0]) == (0.0, 4)


def test_config_names_the_bad_value():
    with pytest.raises(ValueError, match="emergency_time must not be negative, got -1"):
        PDMClosedConfig(emergency_time=-1)
    with pytest.raises(ValueError, match="a speed and an offset are needed"):
        ProposalConfig(offsets=())

"""The lane follower and the planner on constructed scenes with known answers."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from driving_scenes import MODEL, scene_on_circle

from policies.drive import drive
from policies.rule_based import (
    LaneFollower,
    LaneFollowerConfig,
    bound_curve_speed,
    choose_acceleration,
    find_pedestrian_gap,
    steer_along_route,
)
from policies.search.sampling_planner import SamplingPlanner, SamplingPlannerConfig
from worldsim.datatypes.scene import ObjectKind, SceneState, control_from_action
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.start_clip import StartClip


def drive_circle(curvature: float, *, offset=1.0, heading=0.1, seconds=12.0):
    """Closed loop of lane follower and bicycle on a lane of constant curvature; offsets and speeds over time."""
    policy, state = LaneFollower(), np.array([0.0, offset, heading, 5.0, 0.0, 0.0])
    offsets, speeds = [], []
    for _ in range(int(seconds * 10)):
        if abs(curvature) < 1e-9:
            off, lane_yaw = state[1], 0.0
        else:
            center = np.array([0.0, 1 / curvature])
            d = state[:2] - center
            lane_yaw = np.arctan2(d[1], d[0]) + np.sign(curvature) * np.pi / 2
            off = (1 / abs(curvature) - np.hypot(*d)) * np.sign(curvature)
        error = (state[2] - lane_yaw + np.pi) % (2 * np.pi) - np.pi
        scene = scene_on_circle(curvature, offset=off, heading=error, speed=state[3])
        state = MODEL.step(state, control_from_action(policy.action(scene)), 0.1)
        offsets.append(off)
        speeds.append(state[3])
    return np.array(offsets), np.array(speeds)


@pytest.mark.parametrize("curvature", [0.0, 0.02, -0.02, 1 / 9, -1 / 9])
def test_lane_follower_settles_in_the_lane(curvature):
    offsets, speeds = drive_circle(curvature)
    assert np.abs(offsets[-30:]).max() < 0.3
    assert np.abs(offsets).max() < 1.4
    bound = np.sqrt(LaneFollowerConfig().lateral_acceleration / max(abs(curvature), 1e-9))
    assert speeds[-1] < min(12.0, bound) * 1.05
    assert speeds[-1] > 0.75 * min(12.0, bound)


@pytest.mark.parametrize("curvature", [0.1, -0.05, 0.0])
def test_pursuit_inverts_the_bicycle(curvature):
    steer = steer_along_route(scene_on_circle(curvature, speed=3.0)[None], MODEL)[0]
    driven = np.tan(steer * MODEL.max_steer_angle) / MODEL.wheelbase
    assert driven == pytest.approx(curvature, abs=0.012)


def test_pursuit_without_a_route_goes_straight_and_ignores_invalid_points():
    assert steer_along_route(SceneState.empty((1,)), MODEL) == 0.0
    scene = scene_on_circle(0.05, speed=3.0)
    expected = steer_along_route(scene[None], MODEL)
    scene.route[-1], scene.route_valid[-1] = (5.0, -900.0), False
    assert steer_along_route(scene[None], MODEL) == pytest.approx(expected)


@pytest.mark.parametrize("acceleration", [-6.0, -2.0, 0.0, 1.5])
def test_pedal_settles_at_the_acceleration(acceleration):
    state = np.array([0.0, 0.0, 0.0, 15.0, acceleration, 0.0])
    after = MODEL.step(state, control_from_action([0.0, MODEL.acceleration_command(acceleration, 15.0)]), 0.1)
    assert (after[3] - state[3]) / 0.1 == pytest.approx(acceleration, abs=0.05)


def test_lane_follower_keeps_the_distance_of_the_intelligent_driver_model():
    config = LaneFollowerConfig()

    def accelerate(speed, limit, lead=None):
        return float(choose_acceleration(scene_on_circle(speed=speed, limit=limit, lead=lead)[None], config)[0])

    assert accelerate(10.0, 10.0) == pytest.approx(0.0)
    assert accelerate(0.0, 10.0) == pytest.approx(config.acceleration)
    gap = (2.5 + 10 * 1.5) / np.sqrt(1 - (10 / 15) ** 4)  # the gap at which IDM neither speeds up nor slows down
    assert accelerate(10.0, 15.0, (gap, 10.0)) == pytest.approx(0.0, abs=1e-6)
    assert accelerate(10.0, 15.0, (gap, 0.0)) < -2.0
    assert accelerate(5.0, 15.0, (0.0, 0.0)) == -config.max_braking


def test_lane_follower_stops_behind_a_standing_lead():
    policy, state, lead_x = LaneFollower(), np.array([0.0, 0.0, 0.0, 12.0, 0.0, 0.0]), 60.0
    for _ in range(200):
        gap = lead_x - state[0]
        state = MODEL.step(
            state, control_from_action(policy.action(scene_on_circle(speed=state[3], lead=(gap, 0)))), 0.1
        )
    assert 0.5 < lead_x - state[0] < 6.0
    assert state[3] < 0.2


def test_curve_speed_sees_the_curve_ahead():
    assert bound_curve_speed(scene_on_circle(0.1)[None], 2.0)[0] == pytest.approx(np.sqrt(2.0 / 0.1), rel=0.01)
    assert bound_curve_speed(scene_on_circle(0.0)[None], 2.0)[0] > 50


@pytest.mark.parametrize(
    ("x", "y", "yaw", "expected"),
    [(15.0, 0.0, 0.0, True), (15.0, -4.0, np.pi / 2, True), (15.0, -4.0, -np.pi / 2, False), (-5.0, 0.0, 0.0, False)],
)
def test_pedestrians_count_when_on_or_entering_the_route(x, y, yaw, expected):
    scene = scene_on_circle()
    scene.objects[0] = [x, y, yaw, 1.4, 0.5, 0.5]
    scene.object_kinds[0] = ObjectKind.PEDESTRIAN
    gap = find_pedestrian_gap(scene[None])[0]
    assert np.isfinite(gap) == expected
    if expected and y < 0:
        assert gap == pytest.approx(15.0 - 2.3 - 0.25, abs=0.6)


def test_many_scenes_at_once_are_as_many_single_ones():
    """Of different curvature, leads, pedestrians and known route; each answer depends on its own scene alone."""
    rng = np.random.default_rng(0)
    scenes = []
    for k in range(24):
        scene = scene_on_circle(float(rng.normal(0, 0.05)), speed=float(rng.uniform(0, 12)), limit=10.0)
        if k % 3 == 0:
            scene.lead[:], scene.lead_valid[...] = (rng.uniform(0, 30), rng.uniform(0, 9)), True
        if k % 4 == 0:
            scene.objects[:2] = [[rng.uniform(5, 30), rng.uniform(-4, 4), rng.uniform(-3, 3), 1.2, 0.5, 0.5]] * 2
            scene.object_kinds[:2] = ObjectKind.PEDESTRIAN, ObjectKind.CAR
        scene.route_valid[rng.integers(0, 11) :] = False
        scenes.append(scene)
    follower = LaneFollower(LaneFollowerConfig(offset=0.3))
    together = follower.actions(SceneState.stack(scenes))
    assert together.shape == (24, 2)
    assert len(np.unique(together, axis=0)) > 12
    for k, scene in enumerate(scenes):
        np.testing.assert_allclose(together[k], follower.action(scene), atol=1e-6)


def test_action_is_in_range_when_nothing_is_known():
    action = LaneFollower().action(SceneState.empty())
    assert action.shape == (2,)
    assert action.dtype == np.float32
    assert np.abs(action).max() <= 1


def test_config_names_the_bad_value():
    with pytest.raises(ValueError, match=r"headway must be positive, got -1"):
        LaneFollowerConfig(headway=-1)


class StraightRoadState:
    """State of StraightRoad: the ego of each slot."""

    def __init__(self, vehicles):
        self.vehicles = vehicles

    def repeat(self, n):
        return StraightRoadState(np.repeat(self.vehicles, n, axis=0))


class StraightRoad:
    """A world model that knows the truth: a straight lane, a wall at `wall` metres, and a red light whose stop line is
    at `line` metres."""

    def __init__(self, wall=np.inf, line=np.inf):
        self.config = SimpleNamespace(frame_size=(8, 8), num_context=4, dt=0.1)
        self.wall, self.line = wall, line
        self.num_steps = 0

    def scenes(self, vehicles):
        states = []
        for v in vehicles:
            gap = self.wall - v[0] - 2.3
            lead = (gap, 0.0) if gap < 60 else None
            states.append(scene_on_circle(offset=v[1], heading=v[2], speed=v[3], limit=10.0, lead=lead))
            ahead = self.line - v[0] - 2.3
            if -2.0 <= ahead <= 80.0:
                states[-1].signal[...], states[-1].signal_distance[...] = SignalKind.RED, ahead
            states[-1].signal_valid[...] = np.isfinite(self.line)
        return SceneState.stack(states)

    def begin(self, clips, seeds, *, pictures):
        assert not pictures
        return StraightRoadState(np.stack([clip.vehicles[-1] for clip in clips]))

    def step(self, state, controls, *, decode_scene):
        assert not decode_scene
        self.num_steps += 1
        vehicles = MODEL.step(state.vehicles, controls, 0.1)
        prediction = SimpleNamespace(
            decoded=None,
            tracked=SimpleNamespace(
                scene=self.scenes(vehicles),
                vehicles=vehicles,
                red_light=(state.vehicles[:, 0] + 2.3 <= self.line) & (vehicles[:, 0] + 2.3 > self.line),
                stop_sign_missed=np.zeros(len(vehicles), bool),
            ),
            collision=(vehicles[:, 0] + 2.3 > self.wall).astype(float),
            off_road=(np.abs(vehicles[:, 1]) > 2.5).astype(float),
        )
        return StraightRoadState(vehicles), prediction


def plan_drive(model, planner, vehicle, seed=0, seconds=8.0):
    """The planner in closed loop with the bicycle; vehicle states over time."""
    track = [np.asarray(vehicle, np.float64)]

    def start_clip(*, pictures):
        assert not pictures
        return StartClip(
            frames=np.zeros((1, 0, 0, 3), np.uint8),
            controls=np.zeros((0, 4), np.float32),
            vehicles=track[-1][None],
            scenes=model.scenes(track[-1][None]),
            route=np.zeros((2, 2), np.float32),
            dt=0.1,
        )

    planner.reset(SimpleNamespace(start_clip=start_clip), seed)
    for _ in range(int(seconds * 10)):
        action = planner.act(np.zeros((8, 8, 3), np.uint8), {})
        track.append(MODEL.step(track[-1], control_from_action(action), 0.1))
    return np.stack(track)


def test_planner_returns_to_the_lane_and_drives_on():
    model = StraightRoad()
    track = plan_drive(model, SamplingPlanner(model), [0, 1.4, 0.1, 4.0, 0, 0])
    assert np.abs(track[-20:, 1]).max() < 0.3
    assert track[-1, 3] == pytest.approx(10.0, abs=1.0)


def test_planner_stops_before_the_wall_even_when_its_lane_followers_do_not():
    model = StraightRoad(wall=45.0)
    blind = LaneFollowerConfig(min_gap=0.01, headway=0.01, max_braking=0.01)
    planner = SamplingPlanner(model, SamplingPlannerConfig(num_samples=24, num_iterations=3, follower=blind))
    track = plan_drive(model, planner, [0, 0, 0, 9.0, 0, 0])
    assert track[:, 0].max() + 2.3 < 45.0
    assert track[-1, 3] < 2.0


@pytest.mark.parametrize("searcher", ["cem", "icem", "mppi"])
@pytest.mark.parametrize("objective", ["plant", "pdms"])
def test_every_searcher_stops_before_the_wall_by_every_cost(searcher, objective):
    model = StraightRoad(wall=30.0)
    config = SamplingPlannerConfig(searcher=searcher, objective=objective, num_samples=24, horizon=25)
    track = plan_drive(model, SamplingPlanner(model, config), [0, 0, 0, 7.0, 0, 0], seconds=6.0)
    assert 20.0 < track[:, 0].max() + 2.3 < 30.0
    assert np.abs(track[:, 1]).max() < 1.0


@pytest.mark.parametrize("obeys", [True, False])
def test_planner_waits_at_a_red_light_even_when_its_lane_followers_do_not(obeys):
    model, follower = StraightRoad(line=45.0), LaneFollowerConfig(obey_signals=obeys)
    planner = SamplingPlanner(model, SamplingPlannerConfig(num_samples=24, num_iterations=3, follower=follower))
    track = plan_drive(model, planner, [0, 0, 0, 9.0, 0, 0])
    assert 40.0 < track[:, 0].max() + 2.3 < 45.0
    assert track[-1, 3] < 2.0


def test_planner_is_a_function_of_the_seed_and_searches_on_schedule():
    model = StraightRoad()
    config = SamplingPlannerConfig(num_samples=6, num_iterations=2, horizon=6, replan_interval=3)
    planner = SamplingPlanner(model, config)
    a = plan_drive(model, planner, [0, 1, 0, 5, 0, 0], seed=3, seconds=1.2)
    assert model.num_steps == 4 * 2 * 6
    assert (planner.effort.searches, planner.effort.model_steps) == (4, 4 * 2 * 6 * config.num_samples)
    assert planner.effort.seconds > 0
    b = plan_drive(model, SamplingPlanner(model, config), [0, 1, 0, 5, 0, 0], seed=3, seconds=1.2)
    np.testing.assert_array_equal(a, b)

    planners = [SamplingPlanner(model, config) for _ in range(2)]
    for seed, planner in enumerate(planners):
        plan_drive(model, planner, [0, 1, 0, 5, 0, 0], seed=seed, seconds=0.1)
    one, other = (planner.plan.candidates for planner in planners)
    assert not np.array_equal(one, other)


def test_planner_refuses_another_time_step():
    model = StraightRoad()
    model.config.dt = 0.2
    with pytest.raises(ValueError, match=r"time step is 0.1 s, the model's 0.2 s"):
        plan_drive(model, SamplingPlanner(model), [0, 0, 0, 5, 0, 0])


class CountingEnv(gymnasium.Env):
    """Frame, speed and reward say how many steps were done; ends by itself after `length`."""

    def __init__(self, length=100):
        self.length = length

    def observe(self):
        info = {
            "scene": scene_on_circle(speed=self.count).to_vector(),
            "vehicle": np.full(6, self.count),
            "collision": 0.0,
        }
        info |= {"off_road": 0.0, "wrong_way": False, "red_light": False, "stop_sign_missed": False}
        info |= {"progress": float(self.count), "trust": 1.0}
        return np.full((8, 8, 3), self.count, np.uint8), info

    def reset(self, *, seed=None, options=None):
        self.count, self.options = 0, options
        return self.observe()

    def step(self, action):
        self.count += 1
        frame, info = self.observe()
        return frame, float(action[0]), self.count >= self.length, False, info

    def start_clip(self, *, pictures=True):
        scenes = SceneState.stack([scene_on_circle()])
        frames, controls = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((0, 4), np.float32)
        route = np.zeros((2, 2), np.float32)
        return StartClip(
            frames=frames, controls=controls, vehicles=np.zeros((1, 6)), scenes=scenes, route=route, dt=0.1
        )


class EchoPolicy:
    """Steers by the frame it sees."""

    def reset(self, env, seed):
        self.env, self.seed = env, seed

    def act(self, frame, info):
        return np.array([frame[0, 0, 0] / 100, 0.0], np.float32)


def test_drive_keeps_action_t_between_instants_t_and_t_plus_1():
    policy = EchoPolicy()
    rollout = drive(CountingEnv(), policy, 5, {"town": 1}, max_steps=4)
    np.testing.assert_array_equal(rollout.frames[:, 0, 0, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(rollout.scenes.speed, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(rollout.actions[:, 0], [0, 0.01, 0.02, 0.03])
    np.testing.assert_allclose(rollout.rewards, rollout.actions[:, 0])
    np.testing.assert_array_equal(rollout.progress, [1, 2, 3, 4])
    assert (policy.seed, policy.env.options) == (5, {"town": 1})
    assert not rollout.terminated


def test_drive_needs_an_env_of_pixels_or_state():
    env = CountingEnv()
    env.observation_space = gymnasium.spaces.Box(0, 1, (137,))
    env.observe = lambda: (np.zeros(137), {})
    with pytest.raises(ValueError, match="observes pixels"):
        drive(env, EchoPolicy(), 0)


def test_drive_ends_with_the_env_or_when_on_step_says_so():
    assert drive(CountingEnv(length=7), EchoPolicy(), 0).num_steps == 7
    assert drive(CountingEnv(length=7), EchoPolicy(), 0).terminated
    seen = []
    stopped = drive(CountingEnv(), EchoPolicy(), 0, on_step=lambda n, frame, action, info: seen.append(n) or n == 3)
    assert (stopped.num_steps, seen) == (3, [1, 2, 3])

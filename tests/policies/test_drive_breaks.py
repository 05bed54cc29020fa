"""drive: policies that break, and policies that write into what they are shown."""

import pickle
import sys

import numpy as np
import pytest
from small_worlds import SMALL

from envs.registration import make_road_env
from policies.drive import drive
from policies.policy import ConstantPolicy
from policies.policy_error import PolicyError


class Broken(ConstantPolicy):
    """Drives two steps, then answers with `answer`, or raises it."""

    def __init__(self, answer):
        super().__init__((0.0, 0.3))
        self.answer, self.num = answer, 0

    def act(self, frame, info):
        self.num += 1
        if self.num <= 2:
            return super().act(frame, info)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture(scope="module")
def env():
    env = make_road_env(world_config=SMALL, frame_size=(48, 48))
    yield env
    env.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, r"step 2: the policy answered None instead of an action \[2\] = steer, acceleration"),
        (np.array([0.0, np.nan]), r"step 2: the policy answered \[0.0, nan\], an action is finite"),
        (np.zeros(3), r"step 2: the policy answered an array of shape \(3,\)"),
        (0.5, r"an array of shape \(\)"),
        ("left", "answered 'left' instead of an action"),
        ([[0.0], [1.0, 2.0]], "instead of an action"),
        (ZeroDivisionError("division by zero"), r"step 2: .* raised ZeroDivisionError in act \(test_drive_breaks.py:"),
        (SystemExit(0), r"step 2: the policy ended the process in act \(test_drive_breaks.py:\d+\), exit code 0"),
    ],
)
def test_a_broken_policy_is_named_with_the_step(env, answer, why):
    with pytest.raises(PolicyError, match=why) as caught:
        drive(env, Broken(answer), 0, max_steps=5)
    assert caught.value.step == 2
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.details) == (str(caught.value), caught.value.details)


def test_ctrl_c_in_a_policy_is_no_fault_of_the_policy(env):
    with pytest.raises(KeyboardInterrupt):
        drive(env, Broken(KeyboardInterrupt()), 0, max_steps=5)


def test_ending_the_process_in_reset_is_caught_too(env):
    class Leaves(ConstantPolicy):
        def reset(self, env, seed):
            sys.exit("no licence")

    with pytest.raises(PolicyError, match=r"step 0: the policy ended the process in reset .*, exit code no licence"):
        drive(env, Leaves(), 0, max_steps=2)


def test_what_a_policy_writes_changes_no_number(env):
    class Scribbles(ConstantPolicy):
        """Scales what it is shown, and answers from one buffer that it goes on using."""

        buffer = np.zeros(2, np.float32)

        def act(self, frame, info):
            self.buffer[:] = (0.01 * np.sign(info["progress"]), 0.3)
            for shown in (frame, *info.values()):
                if isinstance(shown, np.ndarray):
                    shown[...] = 0
            info.clear()
            return self.buffer

    class Clean(ConstantPolicy):
        def act(self, frame, info):
            return np.array([0.01 * np.sign(info["progress"]), 0.3], np.float32)

    clean, scribbled = (drive(env, policy, 1, max_steps=4) for policy in (Clean(), Scribbles()))
    assert clean.scenes == scribbled.scenes
    for name in ("frames", "vehicles", "actions", "rewards", "collision", "progress", "trust"):
        np.testing.assert_array_equal(getattr(clean, name), getattr(scribbled, name))
    assert clean.trust is not None
    assert clean.trust.tolist() == [1.0] * 5

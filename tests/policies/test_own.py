"""Policies of the user's own: found in modules and files, refused with a reason."""

import sys

import numpy as np
import pytest

from policies.registry import make_policy

SOURCE = """
from beside import ACTION

class Mine:
    def __init__(self, gain=1.0):
        self.gain = gain
    def reset(self, env, seed):
        pass
    def act(self, frame, info):
        return ACTION

class Greedy(Mine):
    def __init__(self, weights, speed):
        pass

class Deaf:
    def act(self, frame, info):
        return ACTION

def made():
    return Mine(2.0)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a driver and what it imports, as the working directory."""
    (tmp_path / "my_driver.py").write_text(SOURCE)
    (tmp_path / "beside.py").write_text("import numpy as np\nACTION = np.array([0.1, 0.2], np.float32)\n")
    (tmp_path / "broken.py").write_text("import no_such_library\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


@pytest.mark.parametrize(("place", "gain"), [("my_driver:Mine", 1), ("my_driver.py:Mine", 1), ("my_driver:made", 2)])
def test_a_module_a_file_and_a_function(here, place, gain):
    policy = make_policy(place)
    policy.reset(None, 0)
    assert policy.gain == gain
    assert np.array_equal(policy.act(None, {}), np.array([0.1, 0.2], np.float32))


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("my_driver:Yours", "my_driver has no 'Yours'"),
        ("my_driver:", "module:Name or file.py:Name, got 'my_driver:'"),
        ("my_drivr:Mine", "no module 'my_drivr'"),
        ("their.py:Mine", "no file 'their.py'"),
        ("my_driver:Greedy", "needs weights, speed"),
        ("my_driver:Deaf", "a Deaf has no method reset"),
        ("my_driver", "no policy is named 'my_driver'; there are lane_follower.* your own as module:Name"),
    ],
)
def test_what_is_no_policy_is_refused_with_a_reason(here, place, why):
    with pytest.raises(ValueError, match=why):
        make_policy(place)


def test_a_bug_in_the_users_module_is_theirs_to_see(here):
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        make_policy("broken:Mine")

"""Policies of the user's own: found in modules and files, refused with a reason."""

import sys

import numpy as np
import pytest

from policies.policy_error import PolicyError
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


@pytest.mark.parametrize("place", ["broken:Mine", "broken.py:Mine"])
@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            "import no_such_library",
            r"raised ModuleNotFoundError while .*broken.* imported \(broken.py:1\): No",
        ),
        ("x = 1\nMine = (", r"raised SyntaxError while .* \(broken.py:2\)"),
        ("import sys\nsys.exit()", r"ended the process while .*broken.* imported \(broken.py:2\), exit code 0"),
        ("class Mine:\n  def __init__(self): raise RuntimeError('no licence')", r"while broken.* made .*: no licence"),
    ],
)
def test_a_file_that_breaks_is_blamed_with_the_line(here, place, source, why):
    (here / "broken.py").write_text(source)
    with pytest.raises(PolicyError, match=why):
        make_policy(place)

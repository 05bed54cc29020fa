"""Whatever a state holds under a right checksum: it is gone on from, or refused by name and the env is as it was."""

import sys
from types import ModuleType

import numpy as np
import pytest
from crafted_states import DEEP, EPISODE, SNAPSHOT, WORLD, arrays_of, craft, put
from small_envs import ACTION, make

from envs.driving_env import DrivingEnv
from envs.scripted_actors import ActorScript
from envs.serialization import StateCodec

IDS = ["DriveDiT-v0", "DriveDiT-Road-v0"]
LAYERS = {"DriveDiT-v0": (WORLD, SNAPSHOT), "DriveDiT-Road-v0": (WORLD, SNAPSHOT, EPISODE)}


@pytest.fixture(scope="module", params=IDS)
def env(request, tiny_checkpoint):
    env = make(request.param, "pixels", tiny_checkpoint).unwrapped
    assert isinstance(env, DrivingEnv)
    env.reset(seed=3)
    env.step(ACTION)
    return env


@pytest.fixture(scope="module")
def layers(env):
    return LAYERS[env.spec.id]


def assert_refused(env, state, named):
    before = env.get_state()
    with pytest.raises(ValueError, match=named):
        env.set_state(state)
    assert env.get_state() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (put("x", "fields", "num_steps"), "EnvSnapshot.num_steps is 'x'; right would be int"),
        (put(-1, "fields", "num_steps"), "EnvSnapshot.num_steps is -1; right would be 0 or more"),
        (put(5, "fields", "last"), "EnvSnapshot.last is 5; right would be .*WorldStep"),
        (put(float("nan"), "fields", "last", "fields", "progress"), r"EnvSnapshot.last.progress must be .* got nan"),
        (put(1.5, "fields", "last", "fields", "trust"), r"EnvSnapshot.last.trust must be .*\[0, 1\], got 1.5"),
        (
            put({"list": [1, 2]}, "fields", "last", "fields", "scene"),
            "WorldStep.scene is .* SceneState",
        ),
        (put(7, "fields", "world"), "a state is bytes, as were written, got int 7"),
        (put({"like": "Ghost", "array": "0"}, "fields", "last"), "arrays like 'Ghost' are not known here"),
        (lambda tree, arrays: DEEP, "no state that can be read: RecursionError"),
    ],
)
def test_a_field_that_cannot_be_is_named(env, change, named):
    assert_refused(env, craft(env.get_state(), change), named)


@pytest.mark.parametrize("state", [None, 5, "text", [1]])
def test_what_is_no_bytes_is_refused(env, state):
    assert_refused(env, state, f"a state is bytes, as were written, got {type(state).__name__}")


def test_a_world_without_a_past_is_refused(env, layers):
    no_past = put({"tuple": []}, "fields", "past")
    assert_refused(env, craft(env.get_state(), no_past, *layers), "past is empty; right would be one instant or more")


@pytest.mark.parametrize("fault", ["cut", "nan"])
def test_arrays_cut_to_one_row_or_without_numbers_are_refused_by_name_or_do_no_harm(env, layers, fault):
    before = env.get_state()
    refused = 0
    for within in (layers[:0], layers):
        for key, array in list(arrays_of(before, *within).items())[::4]:
            if array.dtype == np.uint8 or (array.ndim == 0 if fault == "cut" else array.dtype.kind != "f"):
                continue
            other = array[:1].copy() if fault == "cut" else np.full_like(array, np.nan)
            if other.shape == array.shape and np.array_equal(other, array, equal_nan=other.dtype.kind == "f"):
                continue
            try:
                env.set_state(craft(before, lambda _, arrays, k=key, o=other: arrays.update({k: o}), *within))
            except ValueError:
                refused += 1
                assert env.get_state() == before
            else:
                assert np.isfinite(env.step(ACTION)[1])
                env.set_state(before)
    assert refused > 10


def test_floats_that_are_all_no_numbers_are_refused(env, layers):
    def without_numbers(_, arrays):
        arrays.update({key: np.full_like(a, np.nan) for key, a in arrays.items() if a.dtype.kind == "f"})

    for within in (layers[:0], layers):
        assert_refused(env, craft(env.get_state(), without_numbers, *within), r"must be finite numbers, .* is nan")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (put("x", "dict", "town"), "town of an episode's state is 'x'; right would be int"),
        (put(None, "dict", "map"), "map of an episode's state is None; right would be str"),
        (put(7, "dict", "town"), r"another map than .*: its route leads through \(.*\), where there is no lane"),
    ],
)
def test_an_episode_of_another_map_is_refused(env, change, named):
    if env.spec.id != "DriveDiT-Road-v0":
        pytest.skip("of the reference world")
    assert_refused(env, craft(env.get_state(), change, WORLD, SNAPSHOT), named)


def test_a_path_for_a_map_is_not_read(env, tmp_path):
    if env.spec.id != "DriveDiT-Road-v0":
        pytest.skip("of the reference world")

    def change(tree, _):
        tree["dict"].update(town=-1, map=str(tmp_path / "private.xodr"))

    (tmp_path / "private.xodr").write_text("<OpenDRIVE/>")
    assert_refused(env, craft(env.get_state(), change, WORLD, SNAPSHOT), "no OpenDRIVE text but begins with '/")


def test_a_state_has_no_module_import_what_it_is_asked_for(monkeypatch):
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was imported")

    monkeypatch.setitem(sys.modules, "lazy_module", Lazy("lazy_module"))
    state = craft(StateCodec().pack({"a": 1}), put({"object": "lazy_module:WorldModel", "fields": {}}, "dict", "a"))
    with pytest.raises(ValueError, match="no dataclass that is a ActorScript"):
        StateCodec(open_types=(ActorScript,)).unpack(state)

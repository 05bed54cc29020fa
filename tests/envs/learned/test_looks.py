"""A Look in the learned world: style and sun of the drive, pictures painted anew, and who keeps it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from layouts import layout_of, with_road
from tiny_model import random_clip, random_model

from drivedit import edit
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.learned.stepping import step_together
from envs.world import branch
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import LayoutKind
from worldsim.looks import LearnedLook
from worldsim.model_state import GeneratedState
from worldsim.world_model import WorldModel

CONTROL = np.array([0.0, 0.3, 0.0, 0.0], np.float32)
HOUSE = (14.0, 12.0, 0.0, 0.0, 8.0, 8.0, 7.0)
FOG, DUSK = edit.Look(name="fog"), edit.Look(name="dusk")
SUN = np.array([-0.48, 0.64, 0.6])


@pytest.fixture(scope="module")
def clip():
    """A straight street with a house in the sun, and nobody on it."""
    clip = random_clip(8)
    scenes = clip.scenes.copy()
    scenes.object_kinds[:] = 0
    layout = with_road(layout_of(LayoutKind.BUILDING, HOUSE))
    return replace(clip, layout=layout, road_users=KnownRoadUsers.none(), ego_z=0.0, scenes=scenes, sun=SUN)


@pytest.fixture(scope="module")
def model() -> WorldModel:
    model = random_model(use_memory=True)
    rng = np.random.default_rng(0)
    model.looks = {
        "fog": LearnedLook(style=rng.normal(size=32).astype(np.float32), sun_elevation=0.6),
        "dusk": LearnedLook(style=rng.normal(size=32).astype(np.float32), sun_elevation=0.1),
    }
    return model


@pytest.fixture
def world(model, clip):
    return LearnedWorld(model=model, starts=[clip])


def drive(world: LearnedWorld, num_steps: int = 3) -> np.ndarray:
    for _ in range(num_steps):
        world.step(CONTROL)
    return world.frame()


def generated_of(world: LearnedWorld) -> GeneratedState:
    generated = world.snapshot().state.generated
    assert generated is not None
    return generated


def style_of(world: LearnedWorld) -> torch.Tensor:
    return generated_of(world).picture.style[0]


def sun_of(world: LearnedWorld) -> np.ndarray:
    sun = world.camera_scene().sun
    assert sun is not None
    return sun


def test_style_and_sun_are_the_looks_and_nothing_of_the_old_pictures_is_left(world, model, clip):
    world.reset(0, {"layout": [FOG]})
    assert style_of(world).numpy() == pytest.approx(model.looks["fog"].style)
    sun = sun_of(world)
    assert np.arcsin(sun[2]) == pytest.approx(0.6)
    assert np.arctan2(sun[1], sun[0]) == pytest.approx(np.arctan2(SUN[1], SUN[0]))

    # a start of the same scene with other pictures comes to the same
    frame, state = world.frame(), generated_of(world)
    other = LearnedWorld(model=model, starts=[replace(clip, frames=255 - clip.frames)])
    other.reset(0, {"layout": [FOG]})
    assert np.array_equal(other.frame(), frame)
    assert torch.equal(generated_of(other).latent.latents, state.latent.latents)
    assert np.array_equal(drive(other), drive(world))


def test_latents_and_their_memory_are_those_of_a_start_that_looks_so(world, model):
    world.reset(0, {})
    drive(world)
    world.edit([FOG])
    start, generated = world.start_clip(), generated_of(world)
    other = LearnedWorld(model=model, starts=[start])
    other.reset(0, {})
    fresh = generated_of(other)
    assert torch.equal(fresh.latent.latents, generated.latent.latents)
    assert not torch.equal(fresh.latent.cache[0].keys, generated.latent.cache[0].keys)  # its style is read off
    assert len(generated.picture.drives[0].key_frames) == len(fresh.picture.drives[0].key_frames)


def test_a_second_look_replaces_the_first(world, clip):
    world.reset(0, {"layout": [FOG]})
    fog = world.frame()
    world.edit([DUSK])
    dusk = world.frame()
    assert (fog != dusk).any()
    assert np.arcsin(sun_of(world)[2]) == pytest.approx(0.1)
    world.reset(0, {"layout": [DUSK]})
    assert np.array_equal(world.frame(), dusk)
    world.reset(0, {"layout": [FOG, DUSK]})
    assert np.array_equal(world.frame(), dusk)
    assert (world.frame() != clip.frames[-1]).any()


def test_a_drive_with_a_look_is_the_same_each_time(model, clip):
    frames = []
    for _ in range(2):
        world = LearnedWorld(model=model, starts=[clip])
        world.reset(3, {})
        drive(world)
        world.edit([FOG])
        frames.append(drive(world))
    assert np.array_equal(*frames)


def test_branches_snapshots_and_saved_states_keep_it(world, model, clip):
    world.reset(0, {"layout": [FOG]})
    snapshot, twin, saved = world.snapshot(), branch(world), LearnedWorld(model=model, starts=[clip])
    saved.restore(saved.codec.unpack(world.codec.pack(snapshot)))
    world.edit([DUSK])
    assert not torch.equal(style_of(world), style_of(twin))
    for one in (twin, saved):
        assert np.array_equal(sun_of(one), snapshot.state.tracked.surroundings[0].sun)
    fog = drive(twin)
    assert np.array_equal(drive(saved), fog)
    assert (drive(world) != fog).any()
    world.restore(snapshot)
    assert np.array_equal(drive(world), fog)


def test_of_drives_that_step_together_each_keeps_its_own(model, clip):
    layouts = ((), [FOG], [DUSK])
    singles, together = ([LearnedWorld(model=model, starts=[clip]) for _ in layouts] for _ in range(2))
    for worlds in (singles, together):
        for world, layout in zip(worlds, layouts, strict=True):
            world.reset(0, {"layout": layout})
    for _ in range(2):
        step_together(together, np.stack([CONTROL] * 3))
    for single, world in zip(singles, together, strict=True):
        expected = drive(single, 2)
        assert np.abs(world.frame().astype(int) - expected).max() <= 1
        assert torch.equal(style_of(single), style_of(world))


def test_what_is_put_with_it_is_painted_with_it(world):
    truck = edit.Put(thing="truck", place=edit.AlongRoute(ahead=14.0, left=-3.0))
    world.reset(0, {"layout": [truck, FOG]})
    both = world.frame()
    world.reset(0, {"layout": [FOG]})
    assert (both != world.frame()).any()


def test_state_only_drives_have_the_same_sun(world, model, clip):
    world.reset(0, {"layout": [FOG]})
    state_only = LearnedWorld(LearnedWorldConfig(pictures=False), model=model, starts=[clip])
    state_only.reset(0, {"layout": [FOG]})
    assert np.array_equal(sun_of(state_only), sun_of(world))


def test_where_the_sun_is_not_known_it_stays_so(model, clip):
    world = LearnedWorld(model=model, starts=[replace(clip, sun=None)])
    world.reset(0, {"layout": [FOG]})
    assert world.camera_scene().sun is None
    assert style_of(world).numpy() == pytest.approx(model.looks["fog"].style)


def test_a_look_that_the_checkpoint_does_not_know_is_refused(model, clip):
    world = LearnedWorld(model=model, starts=[clip])
    with pytest.raises(ValueError, match="knows only the looks fog, dusk, 'rain' cannot be put on; right would be"):
        world.reset(0, {"layout": [edit.Look(name="rain")]})
    with pytest.raises(ValueError, match="call reset first"):
        world.step(CONTROL)
    bare = LearnedWorld(model=random_model(), starts=[clip])
    bare.reset(0, {})
    frame = bare.frame()
    with pytest.raises(ValueError, match="this checkpoint knows no looks, 'fog' cannot be put on"):
        bare.edit([FOG])
    assert np.array_equal(bare.frame(), frame)

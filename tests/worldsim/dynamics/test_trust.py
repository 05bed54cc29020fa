"""Full signals of trust: what they tell, that frames do not depend on them, where they go, and that off means free."""

import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from layouts import layout_of, with_road
from places import environment
from safetensors.torch import load_file, save_file
from small_envs import going_on
from tiny_model import CONFIG, CONTROL, random_clip, random_model

from envs.driving_env import DrivingEnv
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.serialization import read_snapshot, write_snapshot
from worldsim.checkpoint import CONFIG_NAME, WEIGHTS_NAME
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.dynamics.trust import DISAGREEMENTS, FREE_SIGNALS, FULL_SIGNALS, LATENT_SIGNALS, PICTURE_SIGNALS
from worldsim.frame_decoder import RECORDED
from worldsim.gbuffer.key_frames import KeyFrames
from worldsim.model_state import ModelState
from worldsim.networks.vae3d import Surfaces, frames_to_float
from worldsim.world_model import WorldModel

ACTION = np.array([0.05, 0.5], np.float32)


@pytest.fixture(scope="module")
def model() -> WorldModel:
    """Whose both trusts say something."""
    model = random_model()
    for trust in (model.trust, model.full_trust):
        trust.weight.fill_(0.3)
    return model


def make(checkpoint: Path) -> DrivingEnv:
    env = gymnasium.make("DriveDiT-v0", checkpoint=checkpoint, trust_signals="full").unwrapped
    assert isinstance(env, DrivingEnv)
    return env


def started(checkpoint: Path) -> DrivingEnv:
    env = make(checkpoint)
    env.reset(seed=3)
    for _ in range(2):
        env.step(ACTION)
    return env


@pytest.mark.parametrize("num_steps", [1, 2])
def test_frames_and_free_signals_do_not_depend_on_the_dear_ones(model: WorldModel, num_steps: int) -> None:
    free, full = (model.begin([random_clip()], [5], full_signals=on) for on in (False, True))
    for _ in range(6):
        free, plain = model.step(free, CONTROL, num_steps=num_steps)
        full, watched = model.step(full, CONTROL, num_steps=num_steps)
        assert plain.frames is not None
        assert watched.frames is not None
        assert np.array_equal(plain.frames, watched.frames)
        assert torch.equal(free.latent.latents, full.latent.latents)
        assert torch.equal(free.latent.cache[-1].values, full.latent.cache[-1].values)
        assert all(plain.trust.signals[name] == watched.trust.signals[name] for name in FREE_SIGNALS)
        assert set(watched.trust.signals) - set(plain.trust.signals) == {"seed_disagreement", "round_trip"}
        assert set(watched.trust.signals) == set(FULL_SIGNALS)
        assert plain.decoded is None
        dear = ("style_drift", *DISAGREEMENTS)
        assert all(plain.trust.signals[name] == 0 < watched.trust.signals[name] for name in dear)
        assert watched.trust.signals["seed_disagreement"] > 0 < watched.trust.signals["round_trip"]
        assert np.isfinite([value[0] for value in watched.trust.signals.values()]).all()
        vector = torch.tensor([[float(watched.trust.signals[name][0]) for name in FULL_SIGNALS]])
        if num_steps > 1:  # else the flow has no two estimates that could differ, which is not 0 but unknown
            assert plain.trust.trust == pytest.approx(model.trust(vector).numpy(), abs=1e-6)
            assert watched.trust.trust == pytest.approx(model.full_trust(vector).numpy(), abs=1e-6)
        assert watched.trust.trust != plain.trust.trust


def test_what_is_not_asked_for_costs_nothing(model: WorldModel, monkeypatch) -> None:
    counts: Counter[str] = Counter()

    def counted(owner, name: str) -> None:
        plain = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, **k: counts.update([name]) or plain(*a, **k))

    states = [model.begin([random_clip()], [5], full_signals=on) for on in (False, True)]
    for owner, name in (
        (model.denoiser, "forward"),
        (model.vae, "encode"),
        (model.vae, "decode"),
        (model.dynamics, "noise"),
        (model.scene_decoder, "read"),
    ):
        counted(owner, name)
    found = []
    for state in states:
        counts.clear()
        model.step(state, CONTROL, num_steps=2)
        found.append(dict(counts))
    assert found[0] == {"forward": 2 + model.config.dit.clean_cache, "noise": 1, "decode": 1}
    assert found[1] == {"forward": 3 + model.config.dit.clean_cache, "noise": 2, "encode": 1, "decode": 1, "read": 1}


def test_the_other_noise_is_another_one_of_the_same_seed_and_frame(model: WorldModel) -> None:
    other = model.dynamics.noise([7, 8], [5, 5], other=True)
    assert torch.equal(other[1], model.dynamics.noise([8], [5], other=True)[0])
    near = [model.dynamics.noise([seed], [frame])[0] for seed in (6, 7, 8) for frame in range(8)]
    near += [model.dynamics.noise([7], [frame], other=True)[0] for frame in (4, 6)]
    assert not any(torch.equal(other[0], one) for one in near)
    assert abs(torch.corrcoef(torch.stack([other[0].flatten(), model.dynamics.noise([7], [5]).flatten()]))[0, 1]) < 0.1


def test_seeds_agree_where_the_noise_is_the_same(model: WorldModel, monkeypatch) -> None:
    state = model.begin([random_clip(seed=s) for s in range(2)], [1, 2], full_signals=True)
    differing, _ = model.step(state, np.repeat(CONTROL, 2, axis=0))
    plain = model.dynamics.noise
    monkeypatch.setattr(model.dynamics, "noise", lambda seeds, frames, other=False: plain(seeds, frames))
    agreeing, _ = model.step(state, np.repeat(CONTROL, 2, axis=0))
    disagreement = LATENT_SIGNALS.index("seed_disagreement")
    assert (agreeing.latent.signals[:, disagreement] == 0).all()
    assert (differing.latent.signals[:, disagreement] > 0.01).all()


def test_the_round_trip_encodes_what_is_shown(model: WorldModel) -> None:
    before = model.begin([random_clip()], [5], full_signals=True)
    state, prediction = model.step(before, CONTROL)
    scene = model.tracker.camera_scene(state.tracked, 0)
    (surfaces,) = model.frame_decoder.draw([model.tracker.static_world(state.tracked, 0)], [scene])
    drawn = Surfaces(torch.from_numpy(surfaces.channels)[None], torch.from_numpy(surfaces.parts)[None])
    references = model.frame_decoder.fetch(before.generated.picture, [surfaces]).references
    again = model.vae.encode(frames_to_float(torch.from_numpy(prediction.frames)), drawn, references)
    apart = (again - state.latent.latents[:, 0]).square().mean().sqrt()
    assert prediction.trust.signals["round_trip"][0] == pytest.approx(float(apart), rel=1e-4)


def test_a_drive_whose_light_changes_has_drifted(model: WorldModel) -> None:
    state = model.begin([random_clip()], [5], full_signals=True)
    assert model.read(state).trust.signals["style_drift"] == 0
    picture = state.generated.picture
    other = state.generated._replace(picture=picture._replace(style=picture.style + 5.0))
    _, same = model.step(state, CONTROL)
    _, changed = model.step(replace(state, generated=other), CONTROL)
    assert changed.trust.signals["style_drift"] > same.trust.signals["style_drift"] > 0


def test_what_no_picture_shows_is_uncovered(model: WorldModel) -> None:
    """Without a layout nobody knows what was seen; with one, a step ahead uncovers little."""
    layout = with_road(layout_of(LayoutKind.BUILDING, (18.0, 9.0, 0.0, 0.0, 12.0, 8.0, 7.0)))
    clips = [random_clip(), replace(random_clip(), layout=layout)]
    _, prediction = model.step(model.begin(clips, [5, 6]), np.repeat(CONTROL, 2, axis=0))
    unknown, known = prediction.trust.signals["uncovered"].tolist()
    assert unknown == 1.0
    assert 0 < known < 0.3


def known_clip() -> StartClip:
    layout = with_road(layout_of(LayoutKind.BUILDING, (18.0, 9.0, 0.0, 0.0, 12.0, 8.0, 7.0)))
    return replace(random_clip(), layout=layout)


def test_what_was_painted_once_stays_painted(model: WorldModel) -> None:
    """Pictures cover what pictures before them painted; it goes back to nothing recorded all the same."""
    state = model.begin([known_clip()], [5])
    forward, still = np.array([[0.0, 1.0, 0.0, 0.0]], np.float32), np.array([[0.0, 0.0, 1.0, 0.0]], np.float32)
    painted, uncovered = [], []
    for control in [forward] * 20 + [still] * 20:
        state, prediction = model.step(state, control)
        painted.append(prediction.trust.signals["painted"].item())
        uncovered.append(prediction.trust.signals["uncovered"].item())
    assert painted[0] == pytest.approx(uncovered[0], abs=0.02)
    assert painted[19] > uncovered[19] + 0.02
    assert painted[-1] >= painted[25]  # standing still covers everything and records nothing
    assert uncovered[-1] < 0.1 < painted[-1]


def test_a_recalled_key_frame_counts_as_recorded_as_it_was(model: WorldModel) -> None:
    state = model.begin([known_clip()], [5])
    picture = state.generated.picture
    (drive,) = picture.drives
    scene = model.tracker.camera_scene(state.tracked, 0)
    surfaces = model.frame_decoder.draw([model.tracker.static_world(state.tracked, 0)], [scene])
    shares = []
    for recorded in (1.0, 0.25):
        frame = drive.frames[0]
        known = KeyFrames().insert(frame, drive.geometry, recorded=recorded)
        # the last picture shows nothing of here but the sky
        gone = replace(drive.geometry, position=drive.geometry.position + 500.0)
        elsewhere = replace(drive, geometry=gone, latent_geometry=gone, key_frames=known)
        fetched = model.frame_decoder.fetch(picture._replace(drives=(elsewhere,)), surfaces)
        references = fetched.references
        visible = ((references.recalled_visible > 0) & (references.last_visible == 0))[0, 0].numpy()
        shares.append(fetched.recorded[0][visible])
        assert visible.mean() > 0.2
    assert (shares[0] == RECORDED).mean() > 0.99
    assert np.abs(shares[1].astype(int) - RECORDED / 4).max() <= 1


def test_a_drive_is_told_how_well_its_last_recorded_frame_is_made(model: WorldModel) -> None:
    """Noise cannot be made from what is drawn, one colour can; the drive keeps the number."""
    plain = replace(known_clip(), frames=np.full_like(known_clip().frames, 128))
    state = model.begin([known_clip(), plain], [5, 5])
    at = PICTURE_SIGNALS.index("start_error")
    noisy, flat = state.generated.picture.signals[:, at].tolist()
    assert noisy > flat > 0
    _, prediction = model.step(state, np.repeat(CONTROL, 2, axis=0))
    assert prediction.trust.signals["start_error"].tolist() == pytest.approx([noisy, flat])


def test_soft_pictures_show_less_detail(model: WorldModel) -> None:
    state = model.begin([known_clip()], [5])
    _, sharp = model.step(state, CONTROL)
    before = model.vae.decode
    model.vae.decode = lambda *args: torch.nn.functional.avg_pool2d(before(*args), 5, 1, 2)
    try:
        _, soft = model.step(state, CONTROL)
    finally:
        model.vae.decode = before
    assert soft.trust.signals["detail"] < 0.8 * sharp.trust.signals["detail"]
    assert soft.trust.signals["changed"] > 0


def test_a_moment_goes_on_exactly_here_in_a_branch_and_in_another_process(tiny_checkpoint: Path, tmp_path) -> None:
    env = started(tiny_checkpoint)
    state, snapshot, (branch,) = env.get_state(), env.snapshot(), env.branch(1)
    expected = going_on(env)
    env.restore(snapshot)
    assert going_on(env) == going_on(branch) == expected
    (tmp_path / "state").write_bytes(state)
    code = (
        "import one_thread, test_trust as t;"
        f"from pathlib import Path; env = t.make(Path({str(tiny_checkpoint)!r}));"
        f"env.set_state(Path({str(tmp_path / 'state')!r}).read_bytes()); print(t.going_on(env))"
    )
    paths = environment(Path(__file__).parent)
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=paths)
    assert there.stdout.strip() == expected
    with pytest.raises(ValueError, match="a state of another world"):
        read_snapshot(LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint)), write_snapshot(env.world))


def test_the_env_keeps_gymnasiums_contract_and_one_set_of_keys(tiny_checkpoint: Path) -> None:
    env = make(tiny_checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)
    _, first = env.reset(seed=0)
    frame, *_, info = env.step(ACTION)
    free = gymnasium.make("DriveDiT-v0", checkpoint=tiny_checkpoint)
    free.reset(seed=0)
    plain, *_, without = free.step(ACTION)
    assert np.array_equal(frame, plain)
    assert set(info) - set(without) == {"seed_disagreement", "round_trip"}
    assert list(info) == list(first)
    assert set(FULL_SIGNALS) < set(info)
    assert first["round_trip"] == first["seed_disagreement"] == 0 < info["round_trip"]


def test_states_with_and_without_are_not_joined(model: WorldModel) -> None:
    states = [model.begin([random_clip()], [0], full_signals=on) for on in (False, True)]
    with pytest.raises(ValueError, match="all have full signals of trust or none, got 1"):
        ModelState.concat(states)


@pytest.mark.parametrize("part", ["trust", "full_trust"])
def test_a_checkpoint_without_either_trust_is_refused(part: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    WorldModel.load(tiny_checkpoint).save(tmp_path)
    kept = {n: v for n, v in load_file(tmp_path / WEIGHTS_NAME).items() if not n.startswith(f"{part}.")}
    save_file(kept, tmp_path / WEIGHTS_NAME)
    CONFIG.save_json(tmp_path / CONFIG_NAME)  # without checksums, as it was then
    with pytest.raises(ValueError, match=rf" {part}\.centre is missing"):
        WorldModel.load(tmp_path)


def test_unknown_kinds_of_signals_are_refused_by_name(tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"one of .*'free', 'full'.* got 'all'"):
        gymnasium.make("DriveDiT-v0", checkpoint=tiny_checkpoint, trust_signals="all")

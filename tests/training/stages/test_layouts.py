"""The layouts' stage: what is read off a town, its tokens and colours, and one town learned."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from envs.road.static_scene import load_town_scene
from training.data.recorded_streets import RecordedTown, read_town
from training.stages.layouts import (
    LayoutStageConfig,
    fit_limits,
    fit_palettes,
    fit_tables,
    layout_losses,
    layout_samples,
    train_layouts,
)
from training.stages.loop import LoopConfig
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.layouts.layout_model import LayoutModel, LayoutModelConfig
from worldsim.layouts.things import ThingKind
from worldsim.layouts.vocabulary import Vocabulary, measures_of


@pytest.fixture(scope="module")
def layout() -> Layout:
    return load_town_scene(0).layout


@pytest.fixture(scope="module")
def town(layout: Layout) -> RecordedTown:
    return read_town(layout)


def test_streets_lead_from_junction_to_junction(town: RecordedTown):
    ends = [leg for junction in town.junctions for leg in junction.legs]
    assert sorted(ends) == [(k, end) for k in range(len(town.streets)) for end in (False, True)]
    for street in town.streets:
        assert 3.2 < street.lane_width < 3.6
        assert all(12.0 < reach < 21.0 for reach in street.reaches)


def test_almost_everything_that_stands_there_is_beside_a_street(layout: Layout, town: RecordedTown):
    houses = sum(int(np.isin(things.kinds, (0, 1)).sum()) for things in town.things.values())
    assert houses > 0.95 * (layout.box_kinds == LayoutKind.BUILDING).sum()


def test_tokens_stand_for_what_was_recorded(town: RecordedTown):
    model = LayoutModel(LayoutModelConfig(num_styles=1))
    fit_tables(model, [town])
    vocabulary = Vocabulary.of(model)
    street, things = town.streets[0], town.things[0, 1]
    tokens = vocabulary.tokens(street, things)
    last = np.concatenate([[-street.reaches[0]], things.rows[:-1, 0]])
    rows = np.stack([vocabulary.row(tokens[k], last[k], np.full(6, 0.5)) for k in range(len(things))])
    spread = measures_of(street, things).std(0)
    assert (np.abs(rows[:, 3:] - things.rows[:, 3:]).mean(0) < 0.1 * spread[2:5].max()).all()
    np.testing.assert_array_equal(tokens[:-1, 0], things.kinds)


def test_limits_are_those_that_were_driven_under():
    model = LayoutModel(LayoutModelConfig(num_styles=1))
    fit_limits(model, np.array([[1, 8.0], [1, 8.0], [1, 14.0], [1, 14.0], [2, 20.0]]))
    assert set(model.speed_limits[0].tolist()) == {8.0, 14.0}
    assert set(model.speed_limits[1].tolist()) == {20.0}


def test_a_palette_has_the_colours_of_its_town_in_their_shares(town: RecordedTown):
    model = LayoutModel(LayoutModelConfig(num_styles=1))
    fit_palettes(model, [town])
    kinds = np.concatenate([things.kinds for things in town.things.values()])
    colors = np.concatenate([things.colors for things in town.things.values()])
    walls, counts = np.unique(colors[kinds == ThingKind.FLAT_HOUSE], axis=0, return_counts=True)
    palette = model.palettes[0, ThingKind.FLAT_HOUSE].numpy()
    shares = [(palette == color).all(-1).mean() for color in walls]
    np.testing.assert_allclose(shares, counts / counts.sum(), atol=1 / len(palette))
    assert not model.palettes[0, ThingKind.OTHER].any()


def test_a_kind_that_a_town_lacks_has_the_colours_of_the_others(town: RecordedTown):
    bare = replace(town, things={key: things[things.kinds != ThingKind.HEDGE] for key, things in town.things.items()})
    model = LayoutModel(LayoutModelConfig(num_styles=2))
    fit_palettes(model, [bare, town])
    assert (model.palettes[0, ThingKind.HEDGE] == model.palettes[1, ThingKind.HEDGE]).all()
    assert model.palettes[0, ThingKind.HEDGE].any()


def test_a_town_is_learned(town: RecordedTown):
    torch.manual_seed(0)
    model = LayoutModel(LayoutModelConfig(num_styles=1, width=32))
    fit_tables(model, [town])
    samples = layout_samples(model, [town])
    config = LayoutStageConfig(loop=LoopConfig(num_steps=1), num_strips=4, num_streets=8)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for step in range(30):
        loss = layout_losses(model, samples, config, np.random.default_rng(step))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:3])


def test_the_stage_writes_a_model_that_can_be_loaded(town: RecordedTown, tmp_path):
    model = LayoutModel(LayoutModelConfig(num_styles=1, width=32))
    config = LayoutStageConfig(loop=LoopConfig(num_steps=2, warmup_steps=1), num_strips=2, num_streets=4)
    train_layouts(model, [town], np.zeros((0, 2)), config, tmp_path)
    loaded = LayoutModel.load(tmp_path / "layouts.safetensors")
    assert loaded.config == model.config
    torch.testing.assert_close(loaded.styles.float(), model.styles.detach())


def test_another_number_of_towns_is_refused(town: RecordedTown, tmp_path):
    model = LayoutModel(LayoutModelConfig(num_styles=2))
    config = LayoutStageConfig(loop=LoopConfig(num_steps=1))
    with pytest.raises(ValueError, match="2 styles cannot learn from 1 towns"):
        train_layouts(model, [town], np.zeros((0, 2)), config, tmp_path)


def test_a_layout_of_nothing_known_is_refused():
    with pytest.raises(ValueError, match="know their ground"):
        read_town(Layout.unknown())

"""The reader's stage: its losses, what it learns of what is unknown, pictures that the world made."""

from pathlib import Path

import numpy as np
import pytest
import torch
from known_drives import turning_car

from training.batches.scene_pictures import MadePictures, ScenePictures, SceneTargets, SpoilConfig
from training.data.lerobot_layout import VALID_NAMES
from training.stages.loop import LoopConfig
from training.stages.scene_reader import ReaderStageConfig, mixed_batch, reader_losses, scene_loss, train_reader
from worldsim.configs import ReaderConfig, WorldModelConfig
from worldsim.networks.scene_reader import NUM_READ, SceneEstimate, SceneReader

CONFIG = WorldModelConfig(reader=ReaderConfig(stem_width=8, widths=(16, 16, 16), num_blocks=1, cell_width=16))
NUM = 40
LOOP = LoopConfig(num_steps=2)


def pictures_of(folder: Path, **unknown: slice) -> ScenePictures:
    store = turning_car(NUM)
    scenes = store.rows.scenes
    scenes.objects[:, 0, :3] = 15, 1, 0  # near enough to be asked for in every picture
    scenes.lane_valid[:], scenes.ego_valid[:], scenes.lead_valid[:] = True, True, True
    scenes.lead[:] = 20, 3
    for name, rows in unknown.items():
        store.rows.valid[rows, VALID_NAMES.index(name)] = False
    return ScenePictures(store, CONFIG, folder, stride=4)  # type: ignore[arg-type]


def sure_estimate(targets: SceneTargets) -> SceneEstimate:
    """What says the truth, and is sure of it."""
    values = {name: getattr(targets, name) for name in ("ego", "lane", "route", "lead", "values")}
    for name in ("lead_present", "collision", "off_road", "kind"):
        values[name] = 40 * getattr(targets, name) - 20
    return SceneEstimate(**values, present=torch.where(targets.near == 1, 20.0, -20.0))


def test_the_loss_is_zero_at_the_truth_and_above_it_elsewhere(tmp_path: Path) -> None:
    targets = pictures_of(tmp_path).targets(np.arange(10))
    right = scene_loss(sure_estimate(targets), targets)
    assert sum(right.values()).item() == pytest.approx(0, abs=1e-4)  # type: ignore[union-attr]
    torch.manual_seed(0)
    wrong = scene_loss(SceneEstimate(*(v + 30 * torch.randn(v.shape) for v in sure_estimate(targets))), targets)
    assert all(term.item() > 0.01 for term in wrong.values())


@pytest.mark.parametrize(
    ("unknown", "terms"),
    [
        ("objects", {"lead", "lead_present", "present", "kind", "objects"}),
        ("progress", {"lead", "lead_present"}),
        ("collision", {"collision"}),
        ("off_road", {"off_road"}),
    ],
)
def test_nothing_is_learned_of_what_is_unknown(unknown: str, terms: set[str], tmp_path: Path) -> None:
    def losses(name: str, **masks: slice) -> dict[str, float]:
        targets = pictures_of(tmp_path / name, **masks).targets(np.arange(5))
        torch.manual_seed(0)
        wrong = SceneEstimate(*(torch.randn(value.shape) for value in sure_estimate(targets)))
        return {name: term.item() for name, term in scene_loss(wrong, targets).items()}

    known, masked = losses("known"), losses("masked", **{unknown: slice(None)})
    assert all(known[name] > 0 for name in terms)
    assert {name for name in masked if masked[name] != known[name]} == terms
    assert all(masked[name] == 0 for name in terms)


def test_one_batch_is_learned_by_heart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pictures, reader = pictures_of(tmp_path), SceneReader(CONFIG.reader)
    config = ReaderStageConfig(loop=LOOP, spoil=SpoilConfig(fraction=0, light=0))
    batch = pictures.at(np.arange(4))
    optimizer = torch.optim.Adam(reader.parameters(), lr=3e-3)
    history = []
    for step in range(60):
        losses = reader_losses(reader, batch, config, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        history.append(losses["loss"].item())
    assert history[-1] < 0.2 * history[0]


def test_made_pictures_stand_in_for_those_of_the_same_place(tmp_path: Path) -> None:
    pictures = pictures_of(tmp_path)
    made = MadePictures(
        positions=pictures.positions[[2, 5]],
        frames=np.stack([np.full((NUM_READ, 128, 128, 3), k, np.uint8) for k in (2, 5)]),
    )
    config = ReaderStageConfig(loop=LOOP, batch_size=8, made_fraction=0.5)
    batch = mixed_batch(pictures, made, config, np.random.default_rng(0))
    for k in range(4):
        number = int(batch.frames[k, 0, 0, 0, 0])
        assert (batch.frames[k] == number).all()
        expected = pictures.targets(np.array([number]))
        assert torch.equal(batch.targets.route[k], expected.route[0])
        assert torch.equal(batch.targets.near[k], expected.near[0])
    assert not any((batch.frames[k] == batch.frames[k, 0, 0, 0, 0]).all() for k in range(4, 8))
    alone = mixed_batch(pictures, None, config, np.random.default_rng(0))
    assert torch.equal(alone.targets.route[4:], batch.targets.route[4:])
    wrong = MadePictures(positions=made.positions + 1, frames=made.frames)
    with pytest.raises(ValueError, match="made pictures must be of every 4th frame"):
        train_reader(SceneReader(CONFIG.reader), pictures, wrong, config, tmp_path)


def test_of_what_is_never_told_the_reader_says_no(tmp_path: Path) -> None:
    config = ReaderStageConfig(loop=LOOP, batch_size=2)
    for unknown, denied in (
        ((), set()),
        (("objects", "collision"), {"present", "lead_present", "collision"}),
        (("off_road",), {"off_road"}),
    ):
        torch.manual_seed(0)
        reader, folder = SceneReader(CONFIG.reader), tmp_path / "-".join(("stage", *unknown))
        pictures = pictures_of(folder, **dict.fromkeys(unknown, slice(None)))
        train_reader(reader, pictures, None, config, folder)
        estimate = reader(torch.randn(4, NUM_READ, 3, 128, 128))
        names = ("present", "lead_present", "collision", "off_road")
        assert {name for name in names if (getattr(estimate, name) == -10).all()} == denied

        again = SceneReader(CONFIG.reader)
        train_reader(again, pictures, None, config, folder)  # read, not made again
        assert torch.equal(again.scalars.weight, reader.scalars.weight)
        lie = [[p.stride() for p in one.parameters()] for one in (reader, again)]
        assert lie[0] == lie[1], "else the last bits of what they read differ, and a resumed run from a whole one"


def test_shares_and_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size and stride must be at least 1, got 0, 4"):
        ReaderStageConfig(loop=LOOP, batch_size=0)
    with pytest.raises(ValueError, match=r"made_fraction must lie in \[0, 1\], got 2"):
        ReaderStageConfig(loop=LOOP, made_fraction=2)

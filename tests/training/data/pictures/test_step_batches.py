"""Batches of training steps: every item once a pass, the same again after a resume, whoever reads them."""

import numpy as np
import pytest
import torch

from training.data.pictures.labelled import LabelledPictures
from training.data.pictures.step_batches import StepBatches


class Numbered:
    """Eleven pictures that tell their number; number 7 can be broken."""

    labels, class_names, broken = np.arange(11), tuple(str(k) for k in range(11)), False

    def picture(self, index: int) -> np.ndarray:
        if self.broken and index == 7:
            raise ValueError("picture 7 is damaged")
        frame = np.full((4, 4, 3), 10 * index, np.uint8)
        frame[:, :2] += 1  # so that it is seen whether it is mirrored
        return frame


def batches(num_workers: int = 0, **options) -> StepBatches:
    return StepBatches(LabelledPictures(Numbered(), (4, 4), mirror=0.5), 3, num_workers=num_workers, **options)


def test_every_item_at_most_once_a_pass_in_another_order_in_each():
    drawn = batches()
    passes = [torch.cat([drawn.at(3 * epoch + k)[1] for k in range(3)]).tolist() for epoch in range(20)]
    assert all(len(set(labels)) == 9 for labels in passes)
    assert len({tuple(labels) for labels in passes}) == 20
    assert {label for labels in passes for label in labels} == set(range(11))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_resumed_training_gets_the_batches_of_an_uninterrupted_one(num_workers):
    whole, resumed = batches(), batches(num_workers)
    wanted = [whole.at(step) for step in range(8)]
    for step in (2, 3, 4, 7, 0):  # across a pass's end; ahead; back
        pictures, labels = resumed.at(step)
        assert torch.equal(pictures, wanted[step][0])
        assert torch.equal(labels, wanted[step][1])
    assert any(not torch.equal(batches(seed=1).at(k)[1], wanted[k][1]) for k in range(3))


def test_two_that_draw_from_one_dataset_do_not_disturb_each_other_nor_global_random_numbers():
    dataset = LabelledPictures(Numbered(), (4, 4), mirror=0.5)
    one, other = StepBatches(dataset, 3), StepBatches(dataset, 3)
    state = torch.get_rng_state()
    for step in range(6):
        other.at(90 - step)
        assert torch.equal(one.at(step)[0], batches().at(step)[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert dataset.epoch == 0


def test_a_damaged_item_is_an_error_each_time_and_the_next_step_goes_on():
    drawn = batches()
    at = next(k for k in range(3) if 7 in drawn.at(k)[1].tolist())
    drawn.dataset.source.broken = True
    for _ in range(2):
        with pytest.raises(ValueError, match="picture 7 is damaged"):
            drawn.at(at)
    assert len(drawn.at(at + 1)[1]) == 3


def test_too_few_items_are_refused():
    with pytest.raises(ValueError, match="11 items do not fill a batch of 12"):
        StepBatches(LabelledPictures(Numbered(), (4, 4)), 12)

"""Pictures with labels: CIFAR-10's files and lists of images give what was written; errors name file and place."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from examples.digits_as_cifar10 import digits, write_batch, write_digits
from training.data.pictures.cifar10 import RECORD_BYTES
from training.data.pictures.labelled import LabelledPictures, open_pictures
from training.data.pictures.statistics import picture_statistics
from worldsim.networks.vae3d import frames_to_uint8


@pytest.fixture
def cifar(tmp_path) -> Path:
    write_digits(tmp_path / "digits")
    return tmp_path / "digits"


@pytest.fixture
def listed(tmp_path) -> Path:
    """Thirteen digits as image files, ten to train with."""
    folder = tmp_path / "listed"
    pictures, labels = digits()
    for split, members in (("train", range(10)), ("val", range(10, 13))):
        (folder / split).mkdir(parents=True)
        for k in members:
            cv2.imwrite(str(folder / split / f"digit {k}.png"), pictures[k])
        lines = [f"{split}/digit {k}.png {labels[k]}\n" for k in members]
        (folder / f"{split}_labels.txt").write_text("\n".join(lines))  # an empty line after each
    return folder


def test_cifar10_gives_every_digit_once_with_its_class(cifar):
    pictures, labels = digits()
    known = {picture.tobytes(): label for picture, label in zip(pictures, labels.tolist(), strict=True)}
    train, val = (LabelledPictures(open_pictures(cifar, split)) for split in ("train", "val"))
    assert (len(train), len(val)) == (1500, 297)
    assert train.class_names == tuple("0123456789")
    seen = {}
    for dataset in (train, val):
        for picture, label in (dataset[k] for k in range(len(dataset))):
            assert (picture.dtype, picture.shape) == (torch.float32, (3, 32, 32))
            seen[frames_to_uint8(picture).numpy().tobytes()] = label
    assert seen == known


def test_cifar10_has_its_colours_in_planes(tmp_path):
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[0, 0, 5] = 10, 20, 30
    write_batch(tmp_path / "data_batch_1.bin", picture, np.array([1]))
    (tmp_path / "batches.meta.txt").write_text("cat\ndog\n\n")
    content = (tmp_path / "data_batch_1.bin").read_bytes()
    assert [content[0], *(content[1 + plane * 1024 + 5] for plane in range(3))] == [1, 10, 20, 30]
    pixel, label = LabelledPictures(open_pictures(tmp_path))[0]
    assert label == 1
    np.testing.assert_allclose(pixel[:, 0, 5], np.array([10, 20, 30]) / 127.5 - 1, atol=1e-6)


def test_damaged_cifar10_is_refused_with_file_record_and_byte(cifar):
    path = cifar / "data_batch_2.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(
        ValueError, match=r"data_batch_2\.bin is cut off: record 299, .* byte 918827, has 2973 of 3073 bytes"
    ):
        open_pictures(cifar)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"data_batch_2\.bin is cut off: record 0"):
        open_pictures(cifar)
    path.write_bytes(whole[: 7 * RECORD_BYTES] + b"\x0c" + whole[7 * RECORD_BYTES + 1 :])
    with pytest.raises(
        ValueError, match=r"data_batch_2\.bin: record 7, at byte 21511, is of class 12; .* names 10 classes, 0 to 9"
    ):
        open_pictures(cifar)
    (cifar / "batches.meta.txt").unlink()
    with pytest.raises(ValueError, match=r"cannot read .*batches\.meta\.txt, which names a class a line"):
        open_pictures(cifar)


def test_listed_images_are_relative_to_the_list_and_may_hold_blanks(listed):
    pictures, labels = digits()
    for split, members in (("train", range(10)), ("val", range(10, 13))):
        dataset = LabelledPictures(open_pictures(listed, split))
        assert dataset.labels.tolist() == labels[members].tolist()
        for (picture, _), k in zip((dataset[k] for k in range(len(dataset))), members, strict=True):
            np.testing.assert_array_equal(frames_to_uint8(picture).numpy(), pictures[k])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train/digit 1.png cat", r"train_labels\.txt:22: class 'cat' is not a number from 0 on"),
        ("train/digit 1.png -1", r"train_labels\.txt:22: class '-1' is not a number from 0 on"),
        ("train/digit1.png", r"train_labels\.txt:22: 'train/digit1\.png' should be `image_path class_id`"),
        ("train/none.png 1", r"train_labels\.txt:22: image .*none\.png is missing; paths are relative to .*listed"),
    ],
)
def test_a_wrong_line_is_named(listed, line, message):
    path = listed / "train_labels.txt"
    path.write_text(path.read_text() + "\n\n" + line + "\n")
    with pytest.raises(ValueError, match=message):
        open_pictures(listed)


def test_a_class_that_was_not_trained_with_is_out_of_range(listed):
    (listed / "val_labels.txt").write_text("val/digit 10.png 10\n")
    with pytest.raises(ValueError, match=r"val_labels\.txt:1: class 10 is out of range; there are 10, 0 to 9"):
        open_pictures(listed, "val")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_unreadable_picture_is_named_with_its_line(listed, suffix):
    image = cv2.imencode(suffix, digits()[0][2])[1].tobytes()
    (listed / "train" / "cut").with_suffix(suffix).write_bytes(image[: len(image) // 2])
    (listed / "train_labels.txt").write_text(f"train/digit 1.png 1\ntrain/cut{suffix} 2\n")
    dataset = LabelledPictures(open_pictures(listed))
    assert dataset[0][1] == 1
    with pytest.raises(ValueError, match=rf"train_labels\.txt:2: image .*cut\{suffix} is damaged"):
        dataset[1]


def test_a_folder_without_labelled_pictures_says_what_there_should_be(tmp_path):
    with pytest.raises(ValueError, match=r"holds no labelled pictures: neither data_batch_\*\.bin .* nor train_labels"):
        open_pictures(tmp_path)
    with pytest.raises(ValueError, match="split must be train or val, got 'test'"):
        open_pictures(tmp_path, "test")


def test_pictures_are_cut_about_their_middle_or_stretched(tmp_path):
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :10] = 255
    cv2.imwrite(str(tmp_path / "wide.png"), image)
    (tmp_path / "train_labels.txt").write_text("wide.png 0\n")
    source = open_pictures(tmp_path)
    assert LabelledPictures(source, (20, 20))[0][0].max() == -1
    stretched = LabelledPictures(source, (10, 20), fit="stretch")[0][0]
    assert (stretched[:, :, :5] == 1).all()
    assert (stretched[:, :, 5:] == -1).all()


def test_mirrored_only_where_asked_and_by_seed_epoch_and_number(cifar):
    source = open_pictures(cifar)
    plain, mirrored = LabelledPictures(source), LabelledPictures(source, mirror=0.5, seed=1)

    def which() -> list[bool]:
        pairs = [(mirrored[k][0], plain[k][0]) for k in range(100)]
        assert all(torch.equal(a, b) or torch.equal(a, b.flip(-1)) for a, b in pairs)
        return [not torch.equal(a, b) for a, b in pairs]

    first = which()
    assert 20 < sum(first) < 80
    assert which() == first
    mirrored.epoch = 1
    assert which() != first
    with pytest.raises(ValueError, match=r"mirror must be in \[0, 1\], got 2"):
        LabelledPictures(source, mirror=2)


def test_held_out_pictures_are_the_same_share_of_every_class(cifar):
    dataset = LabelledPictures(open_pictures(cifar))
    train, held_out = dataset.hold_out(0.2, seed=3)
    assert len(train) + len(held_out) == len(dataset)
    for label in range(10):
        whole, part = (int((d.labels == label).sum()) for d in (dataset, held_out))
        assert part == round(0.2 * whole)
    kept = {train[k][0].numpy().tobytes() for k in range(len(train))}
    assert not any(held_out[k][0].numpy().tobytes() in kept for k in range(len(held_out)))
    assert all(held_out[k][1] == held_out.labels[k] for k in range(len(held_out)))
    again, other = dataset.hold_out(0.2, seed=3)[1], dataset.hold_out(0.2, seed=4)[1]
    assert torch.equal(again[0][0], held_out[0][0])
    assert any(not torch.equal(other[k][0], held_out[k][0]) for k in range(10))
    with pytest.raises(ValueError, match=r"a share of 0\.0 of 1500 pictures leaves nothing"):
        dataset.hold_out(0.0)


def test_statistics_are_those_of_all_pixels(cifar):
    dataset = LabelledPictures(open_pictures(cifar, "val"))
    found = picture_statistics(dataset)
    pixels = torch.stack([dataset[k][0] for k in range(len(dataset))])
    np.testing.assert_allclose(found.mean, pixels.mean((0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(found.std, pixels.std((0, 2, 3), correction=0), atol=1e-5)
    assert found.counts.tolist() == np.bincount(dataset.labels).tolist()
    assert str(found).startswith(f"297 pictures of 10 classes: 0 {found.counts[0]}, 1 {found.counts[1]}, ")

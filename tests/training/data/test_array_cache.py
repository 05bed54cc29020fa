"""ArrayCache: made once, gone on with after an interruption, made anew when damaged; never zeros taken for data."""

import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from faults import files_of_at_most, in_a_child, kill_myself, on_linux

from training.data.array_cache import ArrayCache

LENGTHS = (3, 0, 5, 4)


def piece(number: int) -> np.ndarray:
    return np.full((LENGTHS[number], 2, 100), number + 1, np.float16)


WHOLE = np.concatenate([piece(k) for k in range(4)])


def cache_at(folder: Path, made_from: object = 0) -> ArrayCache:
    return ArrayCache(
        path=folder / "cache" / "values.npy",
        dtype=np.dtype(np.float16),
        shape=(2, 100),
        lengths=LENGTHS,
        made_from={"version": made_from},
    )


class Maker:
    """Makes pieces, counts them, and fails before one of them if told to."""

    def __init__(self, fail_at: int = -1, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.made: list[int] = []
        self.fail_at, self.error = fail_at, error

    def __call__(self, first: int):
        for number in range(first, len(LENGTHS)):
            if number == self.fail_at:
                raise self.error
            self.made.append(number)
            yield piece(number)


def test_it_is_made_once_and_read_only(tmp_path: Path) -> None:
    first, second = Maker(), Maker()
    np.testing.assert_array_equal(cache_at(tmp_path).load(first), WHOLE)
    array = cache_at(tmp_path).load(second)
    np.testing.assert_array_equal(array, WHOLE)
    assert (first.made, second.made) == ([0, 1, 2, 3], [])
    assert not array.flags.writeable
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["values.json", "values.npy"]


@pytest.mark.parametrize("fail_at", range(4))
def test_an_interrupted_making_goes_on_after_the_last_whole_piece(tmp_path: Path, fail_at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache_at(tmp_path).load(Maker(fail_at))
    assert not (tmp_path / "cache" / "values.npy").exists()
    maker = Maker()
    np.testing.assert_array_equal(cache_at(tmp_path).load(maker), WHOLE)
    assert maker.made == list(range(fail_at, 4))


def test_pieces_that_were_cut_or_zeroed_meanwhile_are_made_again(tmp_path: Path) -> None:
    for harm in (lambda path: os.truncate(path, path.stat().st_size - 10), zero):
        folder = tmp_path / harm.__name__
        with pytest.raises(KeyboardInterrupt):
            cache_at(folder).load(Maker(3))
        harm(folder / "cache" / "values.npy.partial")
        maker = Maker()
        np.testing.assert_array_equal(cache_at(folder).load(maker), WHOLE)
        assert maker.made in ([2, 3], [0, 1, 2, 3])


def zero(path: Path) -> None:
    """As another process that maps the file anew leaves it."""
    data = path.read_bytes()
    path.write_bytes(data[:128] + bytes(len(data) - 128))


def test_a_file_zeroed_while_it_is_made_is_not_taken_as_finished(tmp_path: Path) -> None:
    def disturbed(first: int):
        for number in range(first, len(LENGTHS)):
            if number == 3:
                zero(tmp_path / "cache" / "values.npy.partial")
            yield piece(number)

    with pytest.warns(UserWarning, match="damaged"), pytest.raises(ValueError, match="another program has written"):
        cache_at(tmp_path).load(disturbed)
    with pytest.warns(UserWarning, match=r"values.npy is damaged and made anew: the checksum of piece 0"):
        np.testing.assert_array_equal(cache_at(tmp_path).load(Maker()), WHOLE)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    "harm", [zero, flip_a_bit, lambda path: os.truncate(path, 200), lambda path: os.truncate(path, 0)]
)
def test_damage_is_said_and_made_anew(tmp_path: Path, harm) -> None:
    cache_at(tmp_path).load(Maker())
    harm(tmp_path / "cache" / "values.npy")
    maker = Maker()
    with pytest.warns(UserWarning, match=r"values\.npy is damaged and made anew"):
        np.testing.assert_array_equal(cache_at(tmp_path).load(maker), WHOLE)
    assert maker.made == [0, 1, 2, 3]


def test_what_was_made_from_something_else_is_made_anew(tmp_path: Path) -> None:
    cache_at(tmp_path, 0).load(Maker())
    maker = Maker()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache_at(tmp_path, 1).load(maker)
    assert maker.made == [0, 1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        cache_at(tmp_path, 2).load(Maker(2))
    other = Maker()
    cache_at(tmp_path, 3).load(other)
    assert other.made == [0, 1, 2, 3]


def test_pieces_of_the_wrong_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"piece 0 must be float16 \(3, 2, 100\), got float32 \(3, 2, 100\)"):
        cache_at(tmp_path).load(lambda first: [piece(0).astype(np.float32)])


@on_linux
def test_of_two_processes_one_makes_it_and_the_other_waits(tmp_path: Path) -> None:
    def work() -> None:
        def slowly(first: int):
            for array in maker(first):
                time.sleep(0.1)
                yield array

        maker = Maker()
        assert (cache_at(tmp_path).load(slowly) == WHOLE).all()
        (tmp_path / f"{os.getpid()}.json").write_text(json.dumps(maker.made))

    both = [in_a_child(work), in_a_child(work)]
    for process in both:
        process.join()
    said = [json.loads((tmp_path / f"{process.pid}.json").read_text()) for process in both]
    assert sorted(said) == [[], [0, 1, 2, 3]]


@on_linux
def test_a_full_disk_is_an_error_that_names_the_file_and_keeps_what_is_whole(tmp_path: Path) -> None:
    path, maker = tmp_path / "cache" / "values.npy", Maker()
    with files_of_at_most(4000), pytest.raises(OSError, match=f"File too large: '{path}'"):
        cache_at(tmp_path).load(maker)
    np.testing.assert_array_equal(cache_at(tmp_path).load(maker), WHOLE)
    assert maker.made == [0, 1, 2, 3, 3]


@on_linux
@pytest.mark.parametrize("number", range(4))
def test_a_killed_making_goes_on(tmp_path: Path, number: int) -> None:
    def work() -> None:
        def die(first: int):
            for array in Maker()(first):
                if len(array) == LENGTHS[number]:
                    kill_myself()
                yield array

        cache_at(tmp_path).load(die)

    process = in_a_child(work)
    process.join()
    assert process.exitcode == -9
    maker = Maker()
    np.testing.assert_array_equal(cache_at(tmp_path).load(maker), WHOLE)
    assert maker.made == list(range(number, 4))
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["values.json", "values.npy"]

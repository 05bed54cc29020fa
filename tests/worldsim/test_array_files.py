"""Files of numpy's that are cut short or garbled anywhere are refused by name, and never taken for a pickle."""

import random
from pathlib import Path

import numpy as np
import pytest

from worldsim.array_files import load_array, load_arrays


def garbled(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 2, 4])):
        changed[rng.randrange(min(len(data), 200))] = rng.choice([rng.randrange(256), *b"({'\n"])
    return bytes(changed)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_a_damaged_file_is_named(tmp_path: Path, kind: str) -> None:
    path, rng = tmp_path / f"a.{kind}", random.Random(0)
    array = np.arange(60.0).reshape(20, 3)
    if kind == "npy":
        np.save(path, array)
    else:
        np.savez(path, a=array)
    whole = path.read_bytes()
    refused = 0
    for case in [b"", whole[:50], whole[:-1], b"\x93NUMPY", *(garbled(whole, rng) for _ in range(300))]:
        path.write_bytes(case)
        try:
            load_array(path) if kind == "npy" else load_arrays(path)
        except ValueError as error:
            refused += 1
            if f"a.{kind}" not in str(error) or "pickle" in str(error):
                raise
    assert refused > 200


@pytest.mark.parametrize(("offset", "bit"), [(4, 6), (6, 0)], ids=["another version", "encrypted"])
def test_a_flipped_bit_of_the_archive_is_damage(tmp_path: Path, offset: int, bit: int) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(3))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")  # of the list at its end: made by, needs, flags
    data[entry + offset + 2] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.npz: damaged"):
        load_arrays(path)


def test_what_is_not_there_and_what_is_the_other_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file of arrays at .*none\.npy"):
        load_array(tmp_path / "none.npy")
    np.savez(tmp_path / "a.npy.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npy\.npz: right would be an \.npy file"):
        load_array(tmp_path / "a.npy.npz")
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"b\.npy: right would be an \.npz file"):
        load_arrays(tmp_path / "b.npy")

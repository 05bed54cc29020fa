"""The cache on disk: what is in it comes back, damage is made good and said, and it never stands in the way."""

import warnings
from pathlib import Path

import pytest

from envs.disk_cache import DiskCache, cache_folder, digest_of, digest_of_code


def unpack(data: bytes) -> str:
    text = data.decode()
    if not text.endswith("."):
        raise ValueError("no full stop")
    return text


def words(max_bytes: int = 1000) -> DiskCache[str]:
    return DiskCache("words", max_bytes, str.encode, unpack)


def fail() -> str:
    raise AssertionError("made, though it is there")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("DRIVEDIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/words"


def test_what_was_made_once_is_there(folder: Path):
    assert words().get("a", lambda: "An apple.") == "An apple."
    assert words().get("a", fail) == "An apple."
    assert [path.name for path in folder.iterdir()] == ["a"]  # no half-written file is left


def test_what_fails_to_be_made_is_not_kept(folder: Path):
    with pytest.raises(ZeroDivisionError):
        words().get("a", lambda: str(1 / 0))
    assert words().get("a", lambda: "An apple.") == "An apple."


def test_damage_is_made_good_and_said(folder: Path):
    words().get("a", lambda: "An apple.")
    (folder / "a").write_text("An app")
    with pytest.warns(UserWarning, match=r"words/a is made anew: no full stop"):
        assert words().get("a", lambda: "An apple.") == "An apple."
    assert words().get("a", fail) == "An apple."


def test_what_was_used_longest_ago_goes(folder: Path):
    import os

    cache = words(max_bytes=25)
    for k, name in enumerate("abc"):
        cache.get(name, lambda name=name: f"{name * 7}.")
        os.utime(folder / name, (k, k))
    cache.get("a", fail)  # used just now
    cache.get("d", lambda: "ddddddd.")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c", "d"]
    cache.get("e", lambda: "e" * 100 + ".")  # larger than all there may be: it stays, alone
    assert [path.name for path in folder.iterdir()] == ["e"]


def test_a_folder_that_cannot_be_written_is_done_without_and_said_once(tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DRIVEDIT_CACHE", str(tmp_path / "file"))
    cache = words()
    with pytest.warns(UserWarning, match=r"nothing is cached in .*file.*DRIVEDIT_CACHE names another folder"):
        assert cache.get("a", lambda: "An apple.") == "An apple."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.get("b", lambda: "A pear.") == "A pear."


def test_where_it_is(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("DRIVEDIT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "drivedit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/.cache/drivedit"
    monkeypatch.setenv("DRIVEDIT_CACHE", "off")
    assert cache_folder() is None
    assert words().get("a", lambda: "An apple.") == "An apple."
    assert not list(tmp_path.iterdir())


def test_digests_tell_texts_and_sources_apart(tmp_path: Path):
    assert digest_of("ab", "c") != digest_of("a", "bc")
    (tmp_path / "a.py").write_text("A = 1")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/b.py").write_text("B = 1")
    before = digest_of_code([tmp_path])
    assert digest_of_code([tmp_path]) == before
    (tmp_path / "deeper/b.py").write_text("B = 2")
    assert digest_of_code([tmp_path]) != before

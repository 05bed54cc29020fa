"""Truncated and garbled copies of maps: read, or refused with a ValueError; never anything else."""

import random
import re
import warnings

import numpy as np
import pytest
from places import ROOT
from small_maps import two_roads

from envs.maps.road_map import load_map

CASES = sorted((ROOT / "tests" / "data" / "maps").glob("*.xodr"))
VALUES = ("", "nan", "inf", "-1", "0", "1e9", "1e300", "-1e9", "abc", "3,5", "1_0", "9" * 30, "½")
COPIES = 60


def garble(text: str, rng: random.Random) -> str:
    """One of: cut off, characters replaced, a value replaced, an attribute or element removed, an element doubled."""
    kind = rng.randrange(6)
    if kind == 0:
        return text[: rng.randrange(len(text))]
    if kind == 1:
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(text))
            text = text[:at] + chr(rng.randrange(32, 127)) + text[at + 1 :]
        return text
    pattern = r'="([^"]*)"' if kind == 2 else r'( [a-zA-Z]+="[^"]*")' if kind == 3 else r"(<\w+[^<>]*/>)"
    found = rng.choice(list(re.finditer(pattern, text)))
    instead = rng.choice(VALUES) if kind == 2 else found[1] * 2 if kind == 5 else ""
    return text[: found.start(1)] + instead + text[found.end(1) :]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_garbled_copies_are_read_or_refused(path) -> None:
    rng, text, refused = random.Random(16), path.read_text(), []
    for _ in range(COPIES):
        copy = garble(text, rng)
        if "<" not in copy:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                road_map = load_map(copy)
        except ValueError as error:
            refused.append(str(error))
            continue
        draws = np.random.default_rng(0)
        route = road_map.route_from(road_map.random_lane_point(draws), 300.0, draws)
        for values in (route.points, route.z, route.yaw, route.half_width, route.speed_limit):
            assert np.isfinite(values).all()
    assert len(refused) > 5
    assert all(message.startswith("map given as text cannot be used: ") for message in refused)


NO_MAPS = ("<", "x<", "<OpenDRIVE/>", "<OpenDRIVE><header/></OpenDRIVE>", "<html><body/></html>")


@pytest.mark.parametrize("text", NO_MAPS)
def test_what_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="map given as text cannot be used: "):
        load_map(text)


@pytest.mark.parametrize("data", [b"", b"\x00\x01\xff", b"\xff\xfe<", b"PK\x03\x04"])
def test_a_file_that_is_no_text_is_refused(tmp_path, data: bytes) -> None:
    path = tmp_path / "binary.xodr"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"binary\.xodr cannot be used: not well-formed XML"):
        load_map(path)


def test_a_cut_off_file_is_named_with_the_line(tmp_path) -> None:
    path = tmp_path / "half.xodr"
    text = (ROOT / "tests" / "data" / "maps" / "comment-first.xodr").read_text()
    path.write_text(text[:-300])
    with pytest.raises(
        ValueError, match=rf"map {re.escape(str(path))} cannot be used: not well-formed XML: .*: line 6,"
    ):
        load_map(path)


def test_the_file_and_the_element_are_named(tmp_path) -> None:
    path = tmp_path / "wide.xodr"
    path.write_text(two_roads().replace("<border", "<width").replace('a="3.5"', 'a="3,5"', 1))
    message = (
        r"wide.xodr cannot be used: road '0', lane section at s = 0 m, lane 1: <width> has a='3,5'; it must be a finite"
    )
    with pytest.raises(ValueError, match=message):
        load_map(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_any_declared_encoding_is_read(tmp_path, encoding: str) -> None:
    text = two_roads().replace('<?xml version="1.0"?>', f'<?xml version="1.0" encoding="{encoding}"?>')
    text = text.replace('name=""', 'name="Straße"').replace('id="0" junction', 'id="Straße" junction')
    path = tmp_path / "road.xodr"
    path.write_bytes(text.encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the other road's link still says "0"
        assert "Straße" in load_map(path).road_ids.values()


@pytest.mark.parametrize("length", ["3e5", "9e9"])
def test_an_endless_road_is_refused_in_time(length: str) -> None:
    text = two_roads().replace('length="300"', f'length="{length}"')
    with pytest.raises(ValueError, match=r"(reach over|at most|is linked|linked)"):
        load_map(text)


def test_a_map_without_room_to_drive_is_refused_when_it_is_read() -> None:
    [single_road] = (case for case in CASES if "single-road" in case.name)
    short = single_road.read_text().replace('length="1000"', 'length="8"')
    with pytest.raises(ValueError, match=r"no lane is long enough to start on: 10 m of road are needed, .* 8\.0 m"):
        load_map(short)

"""Udacity logs in the forms people keep them in: by name where there are names, else refused."""

import numpy as np
import pytest
from recordings import write_udacity

from training.importers.udacity import read_udacity

HEADER = "center,left,right,steering,throttle,brake,speed"


def rewrite(folder, header, change=lambda cells: cells):
    """A log whose rows are changed, below a header."""
    write_udacity(folder, num=12)
    path = folder / "driving_log.csv"
    lines = [",".join(change(line.split(","))) for line in path.read_text().splitlines()]
    path.write_text("\n".join([header, *lines] if header else lines) + "\n")
    return read_udacity(folder)


def test_columns_in_another_order(tmp_path):
    swapped = rewrite(
        tmp_path / "a", "center,left,right,Throttle,Steering,brake,speed", lambda c: [*c[:3], c[4], c[3], *c[5:]]
    )
    assert swapped.signals["steer"].values[0] == -0.5
    assert swapped.signals["throttle"].values[0] == 0.25


def test_a_column_of_reversing_is_no_brake(tmp_path):
    recording = rewrite(tmp_path / "a", HEADER.replace("brake", "reverse"), lambda c: [*c[:5], "1", c[6]])
    assert "brake" not in recording.signals
    assert recording.signals["reverse"].values.tolist() == [1.0] * 12


def test_capitals_row_numbers_and_empty_rows(tmp_path):
    plain = rewrite(tmp_path / "plain", "")
    for name, header, change in (
        ("capital", HEADER.title(), lambda c: c),
        ("index", f",{HEADER}", lambda c: ["7", *c]),
    ):
        other = rewrite(tmp_path / name, header, change)
        for quantity, signal in plain.signals.items():
            np.testing.assert_array_equal(other.signals[quantity].values, signal.values)
    path = tmp_path / "plain/driving_log.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], ",,,,,,", *lines[5:]]))
    assert len(read_udacity(tmp_path / "plain").clock) == 12


@pytest.mark.parametrize(
    ("header", "change", "message"),
    [
        (
            "",
            lambda c: [*c[:3], "0,5", "0,25", "0", "10,0"],
            r"csv:1: the 7 columns are .*; 10 found; decimal commas\?",
        ),
        ("", lambda c: ["7", *c], r"the 7 columns are .*; 8 found"),
        (HEADER.replace("steering", "wheel"), lambda c: c, r"csv:1: no column 'steering' among center, left"),
        (HEADER.replace("brake", "speed"), lambda c: c, r"csv:1: more than one column 'speed' among"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path, header, change, message):
    with pytest.raises(ValueError, match=message):
        rewrite(tmp_path / "a", header, change)

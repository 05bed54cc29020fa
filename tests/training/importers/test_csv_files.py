"""CSV files with semicolons, decimal commas, empty rows; the cause is named where they cannot be read."""

import pytest

from training.importers.csv_files import read_rows
from training.importers.tables import read_states


@pytest.mark.parametrize(
    "text",
    [
        "time,speed\n0.0,5.5\n0.5,6.5\n",
        "time;speed\n0,0;5,5\n0,5;6,5\n",
        "time\tspeed\n0,0\t5,5\n\t\n0,5\t6,5\n",
        "time;speed\n;\n0.0;5.5\n\n0.5;6.5",
    ],
)
def test_one_table_in_four_spellings(tmp_path, text):
    (tmp_path / "s.csv").write_text(text)
    recording = read_states(tmp_path / "s.csv")
    assert recording.clock.tolist() == [0, 0.5]
    assert recording.signals["speed"].values.tolist() == [5.5, 6.5]


def test_lines_are_those_of_the_file_although_some_are_empty(tmp_path):
    (tmp_path / "s.csv").write_text("t,speed\n0,1\n,\n0.1,x\n")
    with pytest.raises(ValueError, match=r"s\.csv:4: speed is 'x'"):
        read_states(tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t;speed\n0,5;1\n0.6;1\n", r"s\.csv:2: '0,5' has a decimal comma, '0\.6' in line 3 a decimal point"),
        ("t,speed\n0,00,5,00\n", r"s\.csv:2: the 2 columns are t, speed; 4 found; decimal commas\?"),
        ("t,speed\n2024-01-01T10:00:00Z,5\n", r"'2024-01-01T10:00:00Z', .*a date or time of day\? Write seconds"),
        ('t,speed\n0,"5,5"\n', r"s\.csv:2: speed is '5,5', not a finite number .a decimal comma\?"),
    ],
)
def test_the_cause_is_named(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_states(tmp_path / "s.csv")


def test_another_encoding_than_utf_8_is_told(tmp_path):
    (tmp_path / "s.csv").write_text("t,speed\n0,5\n", encoding="utf-16")
    with pytest.raises(ValueError, match=r"cannot read .*s\.csv: .*; save it as UTF-8"):
        read_rows(tmp_path / "s.csv")


def test_a_comma_in_a_text_is_none_in_a_number(tmp_path):
    (tmp_path / "s.csv").write_text("a;b\nleft, then right;1,5\n")
    assert read_rows(tmp_path / "s.csv")[1] == (2, ["left, then right", "1.5"])

"""The last lines of an import: every quantity with its column, unit and known share."""

import pytest
from recordings import CarlaLog, write_comma2k19, write_udacity

from drivedit import main
from training.data.rollouts import RolloutDataset
from training.importers.convert import ImportConfig, import_recordings
from training.importers.formats import find_importer, read_recordings
from training.importers.importer import SourceHints
from training.importers.report import report
from training.importers.resample import ResampleConfig
from training.importers.tables import read_states


def test_every_quantity_has_column_unit_and_share(tmp_path, capsys):
    rows = [f"{k / 20},{36 + k / 10},{'' if k < 30 else 0.1},{0.01 * k},0" for k in range(60)]
    (tmp_path / "drive.csv").write_text("time,speed_kmh,steer,yaw,throttle\n" + "\n".join(rows))
    assert main(["import", "--source", str(tmp_path / "drive.csv"), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    for line in (
        "100.0%  speed         speed_kmh [km/h]",
        "100.0%  yaw           yaw [rad, assumed]",
        "100.0%  acceleration  worked out from speed",
        " 50.0%  steer         steer [share of full lock, positive left, assumed]",
        "unknown: frame, brake, reverse, x, y, steer_angle",
        "times: time [s, assumed]",
    ):
        assert line in out
    assert "look at this: steer (steer) is 0.1 all the time, while yaw (yaw) turns" not in out  # a steady turn


def test_what_is_implausible_is_in_the_last_line(tmp_path, capsys):
    rows = [f"{k / 20},{k / 2},0,0,36" for k in range(80)]
    (tmp_path / "drive.csv").write_text("time,x,y,yaw,speed\n" + "\n".join(rows))
    assert main(["import", "--source", str(tmp_path / "drive.csv"), "--out", str(tmp_path / "out")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "  look at this: speed (speed) is 3.60 times as fast as x (x) and y (y) move: km/h?"


def test_what_was_not_read_and_where_the_clock_jumps_is_told(tmp_path, capsys):
    times = [0, *(1_700_000_000 + k / 20 + (100 if k > 40 else 0) + (7 if k > 50 else 0) for k in range(90))]
    rows = [f"{t!r},8,3,30" for t in times]
    (tmp_path / "drive.csv").write_text("time,speed,steering_angle_deg,throttle_percent\n" + "\n".join(rows))
    assert main(["import", "--source", str(tmp_path / "drive.csv"), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "not read: steering_angle_deg, throttle_percent" in out
    assert (
        "look at this: the times (time) rise by more than 0.25 s at 3 places, most by 1.7e+09 s after 0 s: episodes "
        "are cut there"
    ) in out


def test_where_episodes_are_short_nothing_is_told_to_be_left_out(tmp_path):
    for name, count in (("short", 40), ("long", 1200)):
        rows = [f"{k / 20 + (100 if k > 600 else 0)},8" for k in range(count)]
        (tmp_path / f"{name}.csv").write_text("time,speed\n" + "\n".join(rows))
    import_recordings(ImportConfig(source=tmp_path / "short.csv", out=tmp_path / "out"))
    config = ResampleConfig(seconds_per_episode=1.0)
    text = report(RolloutDataset(tmp_path / "out"), [read_states(tmp_path / "long.csv")], config)
    assert text.endswith("most by 100.05 s after 30 s: episodes are cut there")


def test_what_several_recordings_share_is_told_once_with_the_first_one(tmp_path, capsys):
    for name, factor in (("sound", 1), ("one", 3.6), ("two", 3.5), ("three", 3.7)):
        rows = [f"{k / 20},{k / 2},0,0,{10 * factor}" for k in range(80)]
        (tmp_path / f"{name}.csv").write_text("time,x,y,yaw,speed\n" + "\n".join(rows))
    recordings = [read_states(tmp_path / f"{name}.csv") for name in ("sound", "one", "two", "three")]
    import_recordings(ImportConfig(source=tmp_path / "sound.csv", out=tmp_path / "out"))
    text = report(RolloutDataset(tmp_path / "out"), recordings, ResampleConfig())
    assert text.count("look at this") == 1
    assert text.endswith("speed (speed) is 3.60 times as fast as x (x) and y (y) move: km/h? (one and 2 more)")


@pytest.mark.parametrize("kind", ["udacity", "comma2k19", "carla_log"])
def test_every_importer_says_whence(tmp_path, kind):
    if kind == "udacity":
        write_udacity(tmp_path / kind)
    elif kind == "comma2k19":
        write_comma2k19(tmp_path / kind)
    else:
        (tmp_path / "carla_log").write_bytes(CarlaLog().bytes)
    hints = SourceHints(steering_ratio=15.0, max_steer_angle=0.5)
    for recording in read_recordings(find_importer(tmp_path / kind, kind), tmp_path / kind, hints):
        told = {*recording.signals, "time"} | ({"frame"} if recording.images else set())
        assert told <= recording.origins.keys()
        assert all(origin.source for origin in recording.origins.values())

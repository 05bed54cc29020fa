"""Logs of finished drives: what survives, what is refused."""

from scenarios.json_log import JsonLog, read_log


def test_a_line_that_was_cut_short_is_left_out_and_other_conditions_are_told(tmp_path):
    path = tmp_path / "log.jsonl"
    assert read_log(path, {"code": 1}) == []
    log = JsonLog(path, {"code": 1}, [{"a": 1}])
    log.append([{"a": 2}, {"a": 3}])
    with path.open("ab") as file:
        file.write(b'{"a": 4\xff')
    assert read_log(path, {"code": 1}) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert read_log(path, {"code": 2}) is None
    path.write_bytes(b"")
    assert read_log(path, {"code": 1}) is None

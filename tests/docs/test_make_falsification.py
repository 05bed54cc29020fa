"""The table of searches says what their reports do."""

import pytest
from places import ROOT

REPORT = {
    "config": {"policy": "plant", "scenario": "cut_in", "sampler": "random"},
    "first_failure": 3,
    "num_failed": 5,
    "num_valid": 39,
    "num_more": 1,
    "outcomes": {"passed": 34, "collision": 4, "off_road": 1, "invalid": 1},
    "counterexamples": [{}, {}, {}],
    "confirmation": {"num_replayed": 3, "num_confirmed": 2, "rate": {"estimate": 2 / 3, "low": 0.09, "high": 0.99}},
    "avoidable": {"avoidable": 1, "not avoidable": 1, "not asked": 1, "not known": 0},
}


@pytest.fixture
def make_falsification(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import make_falsification

    return make_falsification


def test_a_row_has_what_a_report_has(make_falsification):
    assert make_falsification.row(REPORT) == (
        "| `plant` | `cut_in` | random | 4 | 5 of 39: 4 collision, 1 off road | 3 of 4 "
        "| 2 of 3, 67% (9% to 99%) | 1 of 2 |"
    )
    nothing = REPORT | {"first_failure": None, "num_failed": 0, "num_more": 0, "outcomes": {"passed": 40}}
    nothing |= {"counterexamples": [], "avoidable": dict.fromkeys(REPORT["avoidable"], 0)}
    nothing["confirmation"] = {"num_replayed": 0, "num_confirmed": 0, "rate": None}
    assert make_falsification.row(nothing).endswith("| none | 0 of 39 | 0 | – | not asked |")


def test_the_page_keeps_all_but_the_table(make_falsification):
    begin, end = make_falsification.BEGIN, make_falsification.END
    assert make_falsification.put_in(f"a\n{begin}old\n{end}b\n", "new\n") == f"a\n{begin}new\n{end}b\n"
    page = make_falsification.PAGE.read_text()
    assert make_falsification.table([REPORT]) in make_falsification.put_in(page, make_falsification.table([REPORT]))
    with pytest.raises(ValueError, match="needs lines"):
        make_falsification.put_in("none", "x")

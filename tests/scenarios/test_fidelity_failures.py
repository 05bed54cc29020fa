"""Hidden and made-up failures, trivial worlds and Sim2Val in a report, computed by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from known_comparisons import CASES, PLANNERS, SCORES, drives_in, everything

from scenarios.fidelity_drives import Drive
from scenarios.fidelity_failures import compare_failures, failure_sections, failures_content, kind_rows
from scenarios.fidelity_report import Comparison, compare, print_comparison, write_comparison
from scenarios.fidelity_sim2val import compare_sim2val
from scenarios.fidelity_worlds import compare_worlds, world_rows, worlds_content
from scenarios.statistics import clopper_pearson, clustered_share, optimistic_bias


def test_failures_are_counted_by_kind_and_named() -> None:
    found = compare_failures(everything(), PLANNERS, CASES)
    assert found.num_drives == 12
    counts = {
        row.kind: (row.num_reference, row.num_found, row.num_same_kind, row.num_simulator, row.num_made_up)
        for row in found.kinds
    }
    assert counts == {
        "collision": (2, 2, 1, 2, 1),
        "no_progress": (1, 1, 1, 1, 0),
        "off_road": (1, 0, 0, 1, 0),
        "crash": (3, 2, 1, 3, 1),
        "any": (4, 3, 2, 4, 1),
    }
    assert [(one.planner, one.scenario, one.kind, one.seeds) for one in found.hidden] == [
        ("middling", "cut_in", "off_road", (2,))
    ]
    assert [(one.planner, one.scenario, one.kind, one.seeds) for one in found.made_up] == [
        ("careful", "traffic", "collision", (4,))
    ]
    assert found.of_kind("crash").found.estimate == pytest.approx(2 / 3)

    content = json.loads(json.dumps(failures_content(found), default=list))
    assert kind_rows(content["kinds"])[3][:3] == ["all crashes", "3", "2: 67% (50% to 100%)"]
    sections = failure_sections(content)
    assert sections[1].text.startswith("1 of 12 paired drives.")


def test_a_crash_is_not_found_by_a_lesser_failure() -> None:
    pairs = (drives_in("road", {("bold", 1): "collision"}), drives_in("learned", {("bold", 1): "no_progress"}))
    found = compare_failures({drive.key: drive for part in pairs for drive in part}, PLANNERS, CASES)
    assert [one.kind for one in found.hidden] == ["collision"]
    assert found.made_up == []
    assert (found.of_kind("crash").num_found, found.of_kind("no_progress").num_made_up) == (0, 0)


def test_where_all_are_found_the_interval_is_of_the_starts() -> None:
    """The failures of one start may be all alike: three of them are one trial."""
    all_found = clustered_share(np.array([3, 0, 1]), np.array([3, 0, 1]), np.random.default_rng(0))
    assert all_found == clopper_pearson(2, 2)
    assert clustered_share(np.array([0, 0]), np.array([2, 1]), np.random.default_rng(0)) == clopper_pearson(0, 2)
    assert np.isnan(clustered_share(np.zeros(2, int), np.zeros(2, int), np.random.default_rng(0)).estimate)
    with pytest.raises(ValueError, match="hits must be"):
        clustered_share(np.array([2]), np.array([1]), np.random.default_rng(0))


def test_a_bias_has_the_interval_of_planners_and_starts() -> None:
    bias = optimistic_bias(reference=SCORES, simulator=SCORES + 0.25, rng=np.random.default_rng(0))
    assert (bias.estimate, bias.low, bias.high) == pytest.approx((0.25, 0.25, 0.25))
    one = np.zeros((4, 4))
    one[0] = 1.0  # a single planner is flattered: without it there is no bias
    bias = optimistic_bias(reference=np.zeros((4, 4)), simulator=one, rng=np.random.default_rng(0))
    assert bias.estimate == 0.25
    assert bias.low == 0
    assert bias.high >= 0.5
    with pytest.raises(ValueError, match="needs paired scores"):
        optimistic_bias(reference=np.zeros((2, 3)), simulator=np.zeros((3, 2)), rng=np.random.default_rng(0))


def test_the_learned_world_stands_beside_trivial_ones_over_the_starts_of_all() -> None:
    drives = everything(standing={}, repeated={})
    rows = compare_worlds(drives, PLANNERS, CASES, num_resamples=20)
    assert [row.world for row in rows] == ["learned", "repeated", "standing"]
    assert [row.spearman.estimate for row in rows] == pytest.approx([1, -1, -1])
    assert [row.crashes_found.estimate for row in rows] == pytest.approx([2 / 3, 0, 0])
    assert np.isnan(rows[1].crashes_made_up.estimate)
    assert rows[0].num_starts == 4
    assert rows[0].bias.estimate == pytest.approx(0.01)

    key = ("standing", "bold", "traffic", 4)
    drives[key] = Drive(world="standing", planner="bold", scenario="traffic", seed=4, outcome="invalid")
    assert compare_worlds(drives, PLANNERS, CASES, num_resamples=20)[0].num_starts == 3
    assert compare_worlds(everything(), PLANNERS, CASES) == []


def test_a_world_in_which_all_planners_score_alike_ranks_nobody() -> None:
    drives = everything() | {drive.key: drive for drive in drives_in("repeated", {}, np.ones_like(SCORES))}
    _, repeated = compare_worlds(drives, PLANNERS, CASES, num_resamples=20)
    assert np.isnan(repeated.spearman.estimate)
    assert repeated.mmrv.estimate > 0
    assert world_rows(worlds_content([repeated]))[0][1] == "–"
    assert worlds_content([repeated])[0]["spearman"] == {"estimate": None, "low": None, "high": None}


def test_sim2val_of_a_perfect_simulator_is_as_good_as_all_reference_runs() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((3, 40))
    perfect = compare_sim2val(PLANNERS, scores, 0.5 * scores + 0.2)
    assert perfect is not None
    assert (perfect.num_pairs, perfect.num_more) == (10, 30)
    assert perfect.error < 1e-9
    assert perfect.effective_runs == pytest.approx(40)
    useless = compare_sim2val(PLANNERS, scores, rng.random((3, 40)))
    assert useless is not None
    assert 6 < useless.effective_runs < 12
    assert compare_sim2val(PLANNERS, scores[:, :3], scores[:, :3]) is None


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(everything(standing={}), PLANNERS, CASES, num_resamples=50)


def test_all_of_it_is_in_the_report(comparison: Comparison, tmp_path: Path, capsys) -> None:
    write_comparison(tmp_path, comparison, {}, {}, {"seeds": "1..4"})
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["schema"] == "drivedit.fidelity/1"
    assert report["num_places"] == 4
    assert report["scenarios"] == {"cut_in": 2, "traffic": 2}
    assert report["bias"]["estimate"] == pytest.approx(0.01)
    assert report["planners"]["bold"]["bias"]["high"] == pytest.approx(0.01)
    assert report["failures"]["hidden"] == [
        {"planner": "middling", "scenario": "cut_in", "kind": "off_road", "seeds": [2]}
    ]
    assert [world["world"] for world in report["worlds"]] == ["learned", "standing"]
    assert report["sim2val"]["num_pairs"] == 3
    page = (tmp_path / "report.html").read_text()
    for title in ("Beside worlds that know nothing", "Hidden failures", "Made-up failures", "Fewer reference runs"):
        assert title in page

    print_comparison(comparison)
    told = capsys.readouterr().out
    assert "hidden: middling, cut_in, off road (seeds 2)" in told
    assert "made up: careful, traffic, collision (seeds 4)" in told
    assert "Others stand" in told

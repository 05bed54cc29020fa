"""Trust beside what two worlds say differently, computed by hand."""

import numpy as np
import pytest

from scenarios.catalogue import SCENARIOS
from scenarios.fidelity_drives import Drive, Side
from scenarios.fidelity_trust import compare_trust, path_distance, trust_content, trust_rows, trust_section
from scenarios.statistics import clustered_spearman


def drive(world: Side, planner: str, seed: int, **values) -> Drive:
    known = {"scenario": "cut_in", "outcome": "passed", "progress": 1.0, "score": 0.5, **values}
    return Drive(world=world, planner=planner, seed=seed, **known)


def compared(learned: dict[tuple[str, int], Drive], road: dict[tuple[str, int], Drive]):
    drives = {one.key: one for one in (*learned.values(), *road.values())}
    return compare_trust(drives, ("a", "b"), [SCENARIOS["cut_in"].draw(seed) for seed in (1, 2)])


PLACES = [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
TRUST = {("a", 1): 0.9, ("b", 1): 0.8, ("a", 2): 0.3, ("b", 2): 0.1}
SCORES = {("a", 1): 0.5, ("b", 1): 0.6, ("a", 2): 0.8, ("b", 2): 0.0}
ROAD = {key: drive("road", *key, path=PLACES) for key in TRUST}


def learned(**values) -> dict[tuple[str, int], Drive]:
    return {
        key: drive(
            "learned", *key, score=SCORES[key], lowest_trust=trust, mean_trust=0.95,
            **{"path": PLACES, **(values if key == ("b", 2) else {})},
        )
        for key, trust in TRUST.items()
    }  # fmt: skip


def test_differences_grow_as_trust_falls() -> None:
    found = compared(learned(outcome="off_road", path=[[1.0, 3.0], [2.0, 5.0]]), ROAD)
    assert found is not None
    assert found.differences["score"].tolist() == pytest.approx([0.0, 0.1, 0.3, 0.5])
    assert found.differences["path"].tolist() == pytest.approx([0.0, 0.0, 0.0, 4.0])
    assert found.differences["outcome"].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert found.correlations["lowest_trust", "score"].estimate == pytest.approx(-1.0)
    # ranks of the paths are 2, 2, 2, 4: their covariance with 4, 3, 2, 1 is -3 / 4, variances are 5 / 4 and 3 / 4
    assert found.correlations["lowest_trust", "path"].estimate == pytest.approx(-np.sqrt(0.6))
    assert np.isnan(found.correlations["mean_trust", "score"].estimate)  # the same for all

    content = trust_content(found)
    assert (content["num_pairs"], content["num_starts"]) == (4, 2)
    assert content["spearman"]["mean_trust"]["score"]["estimate"] is None
    assert trust_rows(found)[1][:2] == ["path", "1 m"]
    assert trust_section(found).figures[0].png[:4] == b"\x89PNG"


def test_invalid_drives_and_those_without_pictures_say_nothing() -> None:
    assert compared(learned(outcome="invalid"), ROAD).differences["score"].tolist() == pytest.approx([0.0, 0.1, 0.3])  # type: ignore[union-attr]
    without = {key: drive("learned", *key) for key in TRUST}
    assert compared(without, ROAD) is None


def test_paths_are_compared_as_long_as_both_last() -> None:
    one, other = drive("road", "a", 1, path=PLACES), drive("learned", "a", 1, path=[[1.0, 2.0]])
    assert path_distance(one, other) == 2.0
    assert path_distance(one, drive("learned", "a", 1)) == 0.0


def test_whole_clusters_are_drawn() -> None:
    """Within each start the rank correlation is +1, over both it is -0.6; a resample holds one start or both."""
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 4.0, 1.0, 2.0])
    found = clustered_spearman(x, y, np.array([0, 0, 1, 1]), np.random.default_rng(0), num_resamples=200)
    assert found.estimate == pytest.approx(-0.6)
    assert (found.low, found.high) == pytest.approx((-0.6, 1.0))
    with pytest.raises(ValueError, match="alike"):
        clustered_spearman(x, y[:3], np.arange(4), np.random.default_rng(0))

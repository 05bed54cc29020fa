"""The example of an occlusion: one case in the reference world."""

import sys

import pytest
from places import ROOT


@pytest.fixture
def occlusion(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples"), *sys.path])
    import occlusion

    return occlusion


def test_a_driver_that_looks_sees_the_pedestrian_later_behind_a_truck(occlusion, capsys):
    found = occlusion.main(occlusion.OcclusionConfig(num_seeds=2, worlds=("road",)))
    pairs = zip(found["road", False], found["road", True], strict=True)
    seen = [(a.seen_at, b.seen_at) for a, b in pairs if a.result.valid and b.result.valid]
    assert seen
    assert all(without == 0.0 and (behind is None or behind > without) for without, behind in seen)
    assert len(capsys.readouterr().out.splitlines()) == 4

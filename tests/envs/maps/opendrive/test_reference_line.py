"""Reference lines and profiles against closed forms."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy.special import fresnel

from envs.maps.opendrive.reference_line import Cubics, ReferenceLine


def line_of(shape: str, length: float, start: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> ReferenceLine:
    x, y, heading = start
    geometry = f'<geometry s="0" x="{x}" y="{y}" hdg="{heading}" length="{length}">{shape}</geometry>'
    return ReferenceLine.read(ET.fromstring(f"<road><planView>{geometry}</planView></road>"), length, "road '1'")


@pytest.mark.parametrize("curvature", [0.05, -0.02, 1e-9, 0.0])
def test_an_arc_is_a_circle(curvature: float) -> None:
    s = np.linspace(0, 60, 13)
    points, heading, k = line_of(f'<arc curvature="{curvature}"/>', 60.0, (3.0, -2.0, 0.7)).at(s)
    assert heading == pytest.approx(0.7 + curvature * s)
    assert k == pytest.approx(curvature)
    if abs(curvature) > 1e-6:
        centre = np.array([3.0 - np.sin(0.7) / curvature, -2.0 + np.cos(0.7) / curvature])
        assert np.hypot(*(points - centre).T) == pytest.approx(1 / abs(curvature))
    else:
        assert points[-1] == pytest.approx([3 + 60 * np.cos(0.7), -2 + 60 * np.sin(0.7)], abs=1e-5)


def test_a_spiral_is_a_clothoid() -> None:
    rate = 0.2 / 80
    s = np.linspace(0, 80, 41)
    points, heading, curvature = line_of('<spiral curvStart="0" curvEnd="0.2"/>', 80.0).at(s)
    scale = np.sqrt(np.pi / rate)
    y, x = fresnel(s / scale)
    assert np.allclose(points, scale * np.stack([x, y], -1), atol=1e-9)
    assert heading == pytest.approx(rate * s**2 / 2)
    assert curvature == pytest.approx(rate * s)


def test_a_spiral_may_begin_bent_and_change_its_side() -> None:
    s = np.linspace(0, 40, 20001)
    points, heading, _ = line_of('<spiral curvStart="0.1" curvEnd="-0.05"/>', 40.0, (1.0, 2.0, -0.4)).at(s)
    middle = (heading[1:] + heading[:-1]) / 2
    steps = np.stack([np.cos(middle), np.sin(middle)], -1) * np.diff(s)[:, None]
    assert np.allclose(points[-1], np.array([1.0, 2.0]) + steps.sum(0), atol=1e-6)


def test_a_cubic_is_followed_by_arc_length() -> None:
    line = line_of('<poly3 a="0" b="0" c="0.01" d="0.0001"/>', 50.0)
    s = np.linspace(0, 50, 501)
    points, heading, _ = line.at(s)
    assert np.hypot(*np.diff(points, axis=0).T) == pytest.approx(0.1, rel=5e-3)
    u, v = points.T
    assert v == pytest.approx(0.01 * u**2 + 0.0001 * u**3)
    assert np.tan(heading) == pytest.approx(0.02 * u + 0.0003 * u**2)


@pytest.mark.parametrize(("p_range", "scale"), [("normalized", 1 / 50), ("arcLength", 1.0)])
def test_parametric_cubics(p_range: str, scale: float) -> None:
    b, c = 50 * scale, 5 * scale**2
    shape = f'<paramPoly3 aU="0" bU="{b}" cU="0" dU="0" aV="0" bV="0" cV="{c}" dV="0" pRange="{p_range}"/>'
    if p_range == "arcLength":
        shape = '<paramPoly3 aU="0" bU="1" cU="0" dU="0" aV="0" bV="0" cV="0.002" dV="0" pRange="arcLength"/>'
    s = np.linspace(0, 50, 11)
    points, heading, curvature = line_of(shape, 50.0).at(s)
    p = s * scale
    expected = np.stack([s, 0.002 * s**2], -1) if p_range == "arcLength" else np.stack([b * p, c * p**2], -1)
    assert np.allclose(points, expected)
    slope = np.gradient(expected[:, 1], expected[:, 0], edge_order=2)
    assert np.tan(heading) == pytest.approx(slope)
    assert curvature[0] == pytest.approx(2 * c / b**2 if p_range == "normalized" else 0.004)


def test_pieces_that_do_not_meet_are_refused() -> None:
    text = (
        '<road><planView><geometry s="0" x="0" y="0" hdg="0" length="50"><line/></geometry>'
        '<geometry s="50" x="80" y="0" hdg="0" length="50"><line/></geometry></planView></road>'
    )
    with pytest.raises(ValueError, match=r"road '7': the <geometry> at s = 50 m begins 30.00 m from where"):
        ReferenceLine.read(ET.fromstring(text), 100.0, "road '7'")


def test_a_profile_is_cubic_between_its_starts() -> None:
    elements = ET.fromstring('<e><w s="10" a="1" b="0.5" c="0.1" d="0"/><w s="0" a="3" b="0" c="0" d="1e-3"/></e>')
    profile = Cubics.read(list(elements), "road '1'")
    assert profile(np.array([-1.0, 0.0, 5.0, 10.0, 12.0])) == pytest.approx([0.0, 3.0, 3.125, 1.0, 2.4])
    assert profile.slope(np.array([5.0, 12.0])) == pytest.approx([0.075, 0.9])

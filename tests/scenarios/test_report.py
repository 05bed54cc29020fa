"""Reports and videos: self-contained, escaped, whole, decodable."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest

import policies
from envs.video import mp4_bytes, write_mp4
from scenarios.case_results import CaseResult, Measurement
from scenarios.metrics.metric_value import Validity
from scenarios.overlay import HEIGHT, PANEL_WIDTH, annotate
from scenarios.plots import scenario_figure
from scenarios.report import (
    Card,
    Figure,
    Fold,
    Heading,
    Note,
    Page,
    Rate,
    Section,
    Stat,
    SvgFigure,
    Table,
    Video,
    checkpoint_digest,
    planners_digest,
    provenance,
    write_json,
    write_page,
)
from worldsim.datatypes.scene import ObjectKind, SceneState


def moving_square(t=12, size=64) -> np.ndarray:
    frames = np.full((t, size, size, 3), 40, np.uint8)
    for i in range(t):
        frames[i, 20:36, 3 * i : 3 * i + 16] = (230, 60, 60)
    return frames


def decode(mp4: bytes) -> np.ndarray:
    with av.open(io.BytesIO(mp4)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def ttc_measured(ttc: float | None) -> Measurement:
    if ttc is None:
        return Measurement(value=None, validity=Validity.NOT_APPLICABLE, reason="no overlap within 3 s")
    return Measurement(value=ttc, validity=Validity.VALID)


def result(seed=0, outcome="passed", ttc: float | None = 1.5) -> CaseResult:
    return CaseResult(
        scenario="cut_in",
        seed=seed,
        parameters={"speed [km/h]": 30.0 + seed, "gap [m]": 12.0},
        outcome=outcome,
        metrics={"min_time_to_collision": ttc_measured(ttc)},
    )


def test_a_time_to_collision_that_is_not_known_is_not_said_to_be_large():
    unknown = replace(result(), metrics={})
    assert not unknown.min_ttc_known
    assert result(ttc=None).min_ttc_known
    assert scenario_figure([unknown], {}) != scenario_figure([result(ttc=None)], {})


def test_video_round_trip():
    frames = moving_square()
    back = decode(mp4_bytes(frames, 10.0, crf=10))
    assert back.shape == frames.shape
    assert np.abs(back.astype(int) - frames).mean() < 6
    assert mp4_bytes(frames, 10.0) == mp4_bytes(frames, 10.0)


def test_video_of_odd_size_and_its_whole_file(tmp_path):
    write_mp4(tmp_path / "deep" / "odd.mp4", moving_square(size=63), 10.0)
    assert decode((tmp_path / "deep" / "odd.mp4").read_bytes()).shape == (12, 64, 64, 3)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["odd.mp4"]


@pytest.mark.parametrize("frames", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3), np.float32)])
def test_video_refuses_what_is_no_film(frames):
    with pytest.raises(ValueError, match="frames must be uint8"):
        mp4_bytes(frames, 10.0)


def page(mp4: bytes) -> Page:
    table = Table(
        header=["name", "rate"],
        rows=[["a <b> & c", Rate(estimate=0.25, low=0.1, high=0.5, text="10 % to 50 %")]],
        good=[False],
    )
    notes = Table(header=["metric", "basis"], rows=[Heading(text="comfort"), ["jerk", Note(text="boxes & more")]])
    section = Section(
        title="Part",
        text="text",
        figures=[
            Figure(png=scenario_figure([result(), result(1, "collision", 0.2), result(2, ttc=None)], {}), alt="plot")
        ],
        videos=[Video(mp4=mp4, title="seed 1", caption="worst", good=False)],
        table=table,
        cards=[Card(title="seed 2 <b>", text="hit", figures=[SvgFigure(svg="<svg/>", alt="above")], command="sh x")],
        folds=[Fold(title="More", folds=[Fold(title="Inside", printed="Traceback <module>", table=notes)])],
    )
    stats = [Stat(value="1 of 3", label="failed")]
    return Page(
        title="Title <script>",
        subtitle="sub",
        verdict="failed",
        good=False,
        stats=stats,
        summary=table,
        note="note",
        sections=[section],
        provenance={"command": "drivedit validate"},
        lead=Section(title="Verdict first", text="so", table=table, open=True),
    )


def test_page_is_self_contained_escaped_and_well_formed(tmp_path):
    mp4 = mp4_bytes(moving_square(), 10.0)
    write_page(tmp_path / "report.html", page(mp4))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Title &lt;script&gt;" in html
    assert "a &lt;b&gt; &amp; c" in html
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    assert "<script" not in html
    video = re.search(r'src="data:video/mp4;base64,([^"]+)"', html)
    assert video
    assert base64.b64decode(video[1]) == mp4
    assert "left: 10.0%; width: 40.0%" in html
    assert html.index("Verdict first") < html.index("10 % to 50 %") < html.index("seed 2 &lt;b&gt;")
    assert '<tr class="heading"><td colspan="2">comfort</td></tr>' in html
    assert '<td class="text">boxes &amp; more</td>' in html
    assert "<pre>Traceback &lt;module&gt;</pre>" in html

    class Nesting(HTMLParser):
        void, stack = {"meta", "img", "br", "link"}, []

        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.stack.append(tag)

        def handle_endtag(self, tag):
            assert self.stack.pop() == tag

    Nesting().feed(html)
    assert Nesting.stack == []


def test_json_keeps_numbers_and_refuses_what_is_none(tmp_path):
    content = {"results": [result()], "count": np.int64(3), "values": np.array([1.5, 2.0])}
    write_json(tmp_path / "report.json", content)
    back = json.loads((tmp_path / "report.json").read_text())
    assert back["results"][0]["metrics"]["min_time_to_collision"]["value"] == 1.5
    assert (back["count"], back["values"]) == (3, [1.5, 2.0])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "bad.json", {"value": float("nan")})
    assert not (tmp_path / "bad.json").exists()


def test_provenance_names_seeds_versions_and_the_checkpoint_by_content(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    first = provenance(checkpoint=tmp_path, seeds=[3, 4, 5])
    (tmp_path / "config.json").write_text("{ }")
    second = provenance(checkpoint=tmp_path, seeds=[3, 5, 9])
    assert (first["seeds"], second["seeds"]) == ("3..5", "3, 5, 9")
    assert first["checkpoint"] != second["checkpoint"]
    assert first["numpy"] == np.__version__


def test_the_digest_of_planners_covers_all_that_ship_weights(tmp_path, monkeypatch):
    assert {path.parent.parent.name for path in Path(policies.__path__[0]).glob("*/weights/*")} == {"pixels", "plant"}
    monkeypatch.setattr(policies, "__path__", [str(tmp_path)])
    digests = set()
    for kind in ("pixels", "plant"):
        file = tmp_path / kind / "weights" / f"{kind}.safetensors"
        file.parent.mkdir(parents=True)
        for content in (b"before", b"after"):
            file.write_bytes(content)
            digests.add(planners_digest())
    assert len(digests) == 4


def test_overlay_shows_the_object_where_it_is():
    scene = SceneState.empty()
    scene.objects[0] = [20.0, 6.0, 0.0, 5.0, 4.5, 2.0]
    arguments = {
        "vehicle": np.zeros(6),
        "action": np.zeros(2, np.float32),
        "collision": 0.0,
        "off_road": 0.0,
        "seconds": 0.0,
    }
    frame = np.zeros((32, 32, 3), np.uint8)
    without = annotate(frame, scene, **arguments)
    scene.object_kinds[0] = ObjectKind.CAR
    with_car = annotate(frame, scene, **arguments)
    assert without.shape == (HEIGHT, HEIGHT + PANEL_WIDTH, 3)
    rows, columns = np.nonzero((without != with_car).any(axis=-1))
    scale = 250 / 48
    assert rows.mean() == pytest.approx((40 - 20) * scale, abs=2)
    assert columns.mean() - HEIGHT == pytest.approx(PANEL_WIDTH / 2 - 6 * scale, abs=2)  # left is left


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json", "starts.npz"])
def test_another_file_of_weights_is_another_digest(name: str, tmp_path: Path, monkeypatch) -> None:
    """Code alone does not make a drive: a log is not gone on with under other weights of a world or a planner."""
    (tmp_path / "new" / "weights").mkdir(parents=True)
    monkeypatch.setattr(policies, "__path__", [str(tmp_path)])
    file, world = tmp_path / "new" / "weights" / name, tmp_path / "world"
    world.mkdir()
    before = planners_digest(), checkpoint_digest(world)
    for path in (file, world / name):
        path.write_bytes(b"1")
    after = planners_digest(), checkpoint_digest(world)
    assert all(one != other for one, other in zip(before, after, strict=True))
    file.write_bytes(b"2")
    assert planners_digest() != after[0]

"""Small OpenDRIVE maps for tests, put together from roads, lanes and junctions."""

from __future__ import annotations

from collections.abc import Sequence

WHITE_EDGE = '<roadMark sOffset="0" type="solid" color="white" width="0.15"/>'


def lane(
    number: int,
    kind: str = "driving",
    width: float = 3.5,
    *,
    inside: str = "",
    before: int | None = None,
    after: int | None = None,
) -> str:
    """A <lane>; `inside` takes the place of its width and marks, `before` and `after` are the lanes it is linked to."""
    links = "" if before is None else f'<predecessor id="{before}"/>'
    links += "" if after is None else f'<successor id="{after}"/>'
    body = inside or f'<width sOffset="0" a="{width}" b="0" c="0" d="0"/>{WHITE_EDGE}'
    return f'<lane id="{number}" type="{kind}" level="false"><link>{links}</link>{body}</lane>'


def section(s: float, *lanes: str, centre: str = "") -> str:
    """A <laneSection> with lane 0 and what it holds."""
    left = "".join(text for text in lanes if int(text.split('"')[1]) > 0)
    right = "".join(text for text in lanes if int(text.split('"')[1]) < 0)
    return (
        f'<laneSection s="{s}"><left>{left}</left><center><lane id="0" type="none">{centre}</lane></center>'
        f"<right>{right}</right></laneSection>"
    )


def road(
    number: str,
    length: float,
    sections: Sequence[str],
    *,
    start: tuple[float, float, float] = (0.0, 0.0, 0.0),
    shape: str = "<line/>",
    geometries: str = "",
    link: str = "",
    junction: str = "-1",
    rule: str = "RHT",
    types: str = "",
    elevation: str = "",
    lateral: str = "",
    offset: str = "",
    objects: str = "",
    signals: str = "",
) -> str:
    """A <road> from `start` (x, y, heading)."""
    x, y, heading = start
    line = geometries or (f'<geometry s="0" x="{x}" y="{y}" hdg="{heading}" length="{length}">{shape}</geometry>')
    return (
        f'<road name="" length="{length}" id="{number}" junction="{junction}" rule="{rule}"><link>{link}</link>{types}'
        f"<planView>{line}</planView><elevationProfile>{elevation}</elevationProfile>"
        f"<lateralProfile>{lateral}</lateralProfile><lanes>{offset}{''.join(sections)}</lanes>"
        f"<objects>{objects}</objects><signals>{signals}</signals></road>"
    )


def opendrive(*parts: str) -> str:
    """A map of roads, junctions and controllers."""
    return f'<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="7"/>{"".join(parts)}</OpenDRIVE>'


def to_road(side: str, other: str, contact: str) -> str:
    """A road's link to a road."""
    return f'<{side} elementType="road" elementId="{other}" contactPoint="{contact}"/>'


def to_junction(side: str, junction: str) -> str:
    """A road's link to a junction."""
    return f'<{side} elementType="junction" elementId="{junction}"/>'


def two_roads(first: str = "", second: str = "", *, signals: str = "", types: str = "", next_types: str = "") -> str:
    """300 m and another 300 m of road along x, a lane in either direction; extra content of the lanes -1."""
    body = f'<width sOffset="0" a="3.5" b="0" c="0" d="0"/>{WHITE_EDGE}'
    return opendrive(
        road(
            "0",
            300,
            [section(0, lane(1, after=1), lane(-1, inside=body + first, after=-1))],
            link=to_road("successor", "1", "start"),
            signals=signals,
            types=types,
        ),
        road(
            "1",
            300,
            [section(0, lane(1, before=1), lane(-1, inside=body + second, before=-1))],
            start=(300, 0, 0),
            link=to_road("predecessor", "0", "end"),
            types=next_types,
        ),
    )


def through_junction(*, signals: str = "", types: str = "", connecting: str = "", controllers: str = "") -> str:
    """Road "in" (200 m along x), connecting road "way" (20 m) of junction "j", road "out" (200 m); lanes 1 and -1."""
    return opendrive(
        road(
            "in",
            200,
            [section(0, lane(1), lane(-1))],
            link=to_junction("successor", "j"),
            signals=signals,
            types=types,
        ),
        road(
            "way",
            20,
            [section(0, lane(-1, before=-1, after=-1))],
            start=(200, 0, 0),
            link=to_road("predecessor", "in", "end") + to_road("successor", "out", "start"),
            junction="j",
            signals=connecting,
        ),
        road("out", 200, [section(0, lane(1), lane(-1))], start=(220, 0, 0), link=to_junction("predecessor", "j")),
        '<junction id="j" name=""><connection id="0" incomingRoad="in" connectingRoad="way" contactPoint="start">'
        '<laneLink from="-1" to="-1"/></connection></junction>',
        controllers,
    )

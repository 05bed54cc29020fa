"""A validation beside an earlier one of the same cases: what got worse, what got better."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.case_results import CaseResult

SCHEMA = "drivedit.validation/2"
"""Name and version of report.json; a change that its readers must know of counts up."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Cases of a validation beside those of an earlier one, by their ids.

    Args:
        regressions: passed before, fail now.
        fixes: failed before, pass now.
        newly_invalid: counted before, count no more.
        num_compared: cases of both, with the same parameters.
        num_different: cases of both whose parameters differ, since the scenario was changed; not compared.
        missing: cases of the earlier one that are not driven any more.
    """

    regressions: tuple[str, ...]
    fixes: tuple[str, ...]
    newly_invalid: tuple[str, ...]
    num_compared: int
    num_different: int
    missing: tuple[str, ...]


def read_report(path: Path) -> dict[str, Any]:
    """The content of a report.json, with its results as CaseResults; a folder stands for the report in it.

    Raises:
        ValueError: it is no report of a validation, or of another version of the schema.
        OSError: it cannot be read.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        schema = report["schema"]
        if schema != SCHEMA:
            raise ValueError(f"{file} has schema {schema!r}, this version reads {SCHEMA!r}: validate again with it")
        return report | {"results": [CaseResult.from_json(one) for one in report["results"]]}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{file} is no report.json of drivedit validate ({reason})") from error


def compare_with_baseline(results: Sequence[CaseResult], baseline: Sequence[CaseResult]) -> Comparison:
    """What changed from `baseline` to `results`."""
    before, now = ({r.id: r for r in some} for some in (baseline, results))
    both = [(before[key], now[key]) for key in now if key in before]
    same = [(b, n) for b, n in both if b.parameters == n.parameters and b.map == n.map]
    return Comparison(
        regressions=tuple(n.id for b, n in same if b.verdict == "PASS" and n.verdict == "FAIL"),
        fixes=tuple(n.id for b, n in same if b.verdict == "FAIL" and n.verdict == "PASS"),
        newly_invalid=tuple(n.id for b, n in same if b.valid and not n.valid),
        num_compared=len(same),
        num_different=len(both) - len(same),
        missing=tuple(key for key in before if key not in now),
    )


def describe_comparison(c: Comparison) -> str:
    """What changed, in a sentence."""
    text = (
        f"{len(c.regressions)} regressions, {len(c.fixes)} fixes and {len(c.newly_invalid)} newly invalid cases among "
    )
    text += f"{c.num_compared} that both have"
    if c.num_different:
        text += f"; {c.num_different} of the same name were drawn otherwise then"
    if c.missing:
        text += f"; {len(c.missing)} of the baseline's were not driven now"
    listed = f" ({', '.join(c.regressions[:5])}{', ...' if len(c.regressions) > 5 else ''})" if c.regressions else ""
    return text + listed

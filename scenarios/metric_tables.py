"""Tables of metrics for report.html."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.case_results import CaseResult
from scenarios.metric_summaries import summarise_metrics
from scenarios.metrics.measure_drive import define_metrics
from scenarios.metrics.metric_value import Validity
from scenarios.report import Heading, Note, Table


def metric_summary_table(results: Sequence[CaseResult]) -> Table:
    """Each metric of some results by its family: mean and range, how many values, where the formula comes from."""
    rows: list[list[str | Note] | Heading] = []
    family, definitions = "", define_metrics()
    for name, summary in summarise_metrics(results).items():
        definition = definitions[name]
        if definition.family != family:
            family = definition.family
            rows.append(Heading(text=family))
        values = (summary.mean, summary.least, summary.median, summary.greatest)
        counts = (summary.num_valid, summary.num_not_applicable, summary.num_unknown)
        rows.append(
            [_label(name, definition.unit), *map(_text, values), *map(str, counts), Note(text=definition.source)]
        )
    header = ["metric", "mean", "least", "median", "greatest", "values", "not applicable", "unknown", "source"]
    return Table(header=header, rows=rows)


def case_metrics_table(result: CaseResult) -> tuple[Table, str]:
    """The metrics of a case that have a value, by family, with what they used; and a sentence on the others."""
    rows: list[list[str | Note] | Heading] = []
    family, definitions = "", define_metrics()
    absent: dict[Validity, list[str]] = {Validity.NOT_APPLICABLE: [], Validity.UNKNOWN: []}
    for name, found in result.metrics.items():
        definition = definitions.get(name)
        label = _label(name, "1" if definition is None else definition.unit)
        if found.value is None:
            absent[found.validity].append(f"{label} ({found.reason})")
            continue
        if definition is not None and definition.family != family:
            family = definition.family
            rows.append(Heading(text=family))
        rows.append([label, _text(found.value), Note(text=found.note)])
    sentences = [f"{validity.value.capitalize()}: {'; '.join(names)}." for validity, names in absent.items() if names]
    return Table(header=["metric", "value", "basis"], rows=rows), " ".join(sentences)


def _label(name: str, unit: str) -> str:
    words = name.replace("_", " ")
    return words if unit == "1" else f"{words} [{unit}]"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"

"""The metrics of many drives: how many have a value, and their mean and range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.case_results import CaseResult
from scenarios.metrics.measure_drive import define_metrics
from scenarios.metrics.metric_value import Validity


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """One metric of some drives.

    Args:
        num_valid: drives in which it has a value.
        num_not_applicable: drives in which there was nothing to measure.
        num_unknown: drives that lack the data.
        mean: of the values; None without any, as the rest.
        least: of the values.
        median: of the values.
        greatest: of the values.
    """

    num_valid: int
    num_not_applicable: int
    num_unknown: int
    mean: float | None
    least: float | None
    median: float | None
    greatest: float | None


def summarise_metrics(results: Sequence[CaseResult]) -> dict[str, MetricSummary]:
    """Every metric of the valid ones of some results, by its name."""
    valid = [result for result in results if result.valid]
    return {name: _summarise(name, valid) for name in define_metrics()}


def _summarise(name: str, results: Sequence[CaseResult]) -> MetricSummary:
    found = [result.metrics[name] for result in results if name in result.metrics]
    values = [one.value for one in found if one.value is not None]
    return MetricSummary(
        num_valid=len(values),
        num_not_applicable=sum(one.validity is Validity.NOT_APPLICABLE for one in found),
        num_unknown=sum(one.validity is Validity.UNKNOWN for one in found),
        mean=float(np.mean(values)) if values else None,
        least=min(values, default=None),
        median=float(np.median(values)) if values else None,
        greatest=max(values, default=None),
    )

"""MetricValue: a number, whether it may be believed, and where its formula comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import numpy as np

MIN_KNOWN = 0.9
"""Less than this share of a drive with known data does not make a value [1]."""


class Validity(str, Enum):
    """Whether a metric has a value."""

    VALID = "valid"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class MetricValue:
    """One measured quantity of a drive.

    Args:
        name: of the metric; variants of one metric have different names.
        value: None exactly where it is not valid.
        unit: "1" for shares, scores and truth values (0 or 1).
        validity: NOT_APPLICABLE: there is nothing to measure, as a gap where nobody is ahead; UNKNOWN: there is, but
            the record does not have the data.
        reason: why there is no value; "" of a valid one.
        source: of the formula, and its thresholds.
        note: what was used of the record where there is a choice; "" where there is none.

    Raises:
        ValueError: value, validity and reason contradict each other, or the value is not finite.
    """

    name: str
    value: float | None
    unit: str
    validity: Validity
    reason: str
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        if self.valid != (self.value is not None) or self.valid == bool(self.reason):
            raise ValueError(
                f"{self.name} must have a value and no reason if valid, else a reason and no value, "
                f"got {self.validity.value}, value {self.value}, reason {self.reason!r}"
            )
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"{self.name} must be finite, got {self.value}")

    @property
    def valid(self) -> bool:
        """Whether there is a value."""
        return self.validity is Validity.VALID

    @property
    def provenance(self) -> str:
        """Where the value comes from: source and note."""
        return "; ".join(part for part in (self.source, self.note) if part)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What is measured, before it is.

    Args:
        name: as in MetricValue.
        unit: as in MetricValue.
        source: of the formula.
        config: dataclass of the thresholds, which go into the provenance; None without any.
    """

    name: str
    unit: str = "1"
    source: str
    config: Any = None

    def measured(self, value: float | np.floating | bool, note: str = "") -> MetricValue:
        """The metric with a value; `note` says what of the record was used."""
        return self._value(float(value), Validity.VALID, "", note)

    def not_applicable(self, reason: str) -> MetricValue:
        """The metric of a drive in which there was nothing to measure."""
        return self._value(None, Validity.NOT_APPLICABLE, reason, "")

    def unknown(self, reason: str) -> MetricValue:
        """The metric of a drive that lacks the data."""
        return self._value(None, Validity.UNKNOWN, reason, "")

    def _value(self, value: float | None, validity: Validity, reason: str, note: str) -> MetricValue:
        thresholds = "" if self.config is None else f"; {describe_config(self.config)}"
        return MetricValue(
            name=self.name,
            value=value,
            unit=self.unit,
            validity=validity,
            reason=reason,
            source=f"{self.source}{thresholds}",
            note=note,
        )


def describe_config(config: Any) -> str:
    """Names and values of a dataclass: "bound=0.95, horizon=3.0"."""
    return ", ".join(f"{f.name}={getattr(config, f.name):g}" for f in fields(config))


def combine(metric: Metric, gates: Sequence[MetricValue], terms: Sequence[tuple[float, MetricValue]]) -> MetricValue:
    """The product of the gates times the weighted mean of the terms.

    What is not applicable counts as met, as in nuPlan and NAVSIM. A gate of 0 decides, whatever else is unknown; apart
    from that, one unknown part makes the whole unknown.

    Args:
        metric: what the result is called.
        gates: each in [0, 1].
        terms: weight and value, each value in [0, 1].
    """
    parts = [*gates, *(value for _, value in terms)]
    if any(gate.value == 0.0 for gate in gates):
        return metric.measured(0.0, f"{', '.join(g.name for g in gates if g.value == 0.0)} is 0")

    missing = [part for part in parts if part.validity is Validity.UNKNOWN]
    if missing:
        return metric.unknown("; ".join(f"{part.name}: {part.reason}" for part in missing))

    product = math.prod(_met(gate) for gate in gates)
    weights = sum(weight for weight, _ in terms)
    mean = sum(weight * _met(value) for weight, value in terms) / weights if terms else 1.0
    absent = [part.name for part in parts if part.validity is Validity.NOT_APPLICABLE]
    return metric.measured(product * mean, f"counted as met: {', '.join(absent)}" if absent else "")


def _met(value: MetricValue) -> float:
    return 1.0 if value.value is None else value.value

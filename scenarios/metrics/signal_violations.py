"""Red lights run and stop signs missed, counted and per kilometre, where lights and signs are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from policies.drive import Rollout
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import MIN_KNOWN, Metric, MetricValue

RED_LIGHTS = Metric(name="red_lights_run", source="stop line crossed on red, as the world reports it")
STOP_SIGNS = Metric(
    name="stop_signs_missed",
    source="stop line passed without v < 0.5 m/s within 4 m before it, as the world reports it",
)
COMPLIANCE = Metric(name="traffic_light_compliance", source="NAVSIM v2 traffic light compliance")
HALTED = 0.5
"""Who is slower has come to a halt [m/s]."""
SLIGHT = 1.0
"""An overrun of less is a stop that was short of success; it is one all the same [m]."""
NO_SIGNALS = "lights and signs are not known"


def measure_signal_violations(record: DriveRecord) -> list[MetricValue]:
    """Red lights run, stop signs missed, and NAVSIM's score: 1 without a red light run, else 0."""
    return [measure_red_lights(record), measure_stop_signs(record), traffic_light_compliance(record)]


def traffic_light_compliance(record: DriveRecord) -> MetricValue:
    """NAVSIM's TLC: 1 without a red light run, else 0."""
    red = measure_red_lights(record)
    return COMPLIANCE.unknown(red.reason) if red.value is None else COMPLIANCE.measured(red.value == 0)


def measure_red_lights(record: DriveRecord) -> MetricValue:
    """How many stop lines were crossed on red."""
    found = SignalViolations.of(record)
    return _count(record, RED_LIGHTS, None if found is None else found.red_lights)


def measure_stop_signs(record: DriveRecord) -> MetricValue:
    """How many stop signs were passed without a stop."""
    found = SignalViolations.of(record)
    return _count(record, STOP_SIGNS, None if found is None else found.stop_signs)


def _count(record: DriveRecord, metric: Metric, count: int | None) -> MetricValue:
    """What was found counts; that nothing was found means little where little is known."""
    if count is None or record.signal_known is None:
        return metric.unknown(NO_SIGNALS)
    share = record.signal_known.mean()
    if count == 0 and share < MIN_KNOWN:
        return metric.unknown(f"lights and signs are known at {share:.0%} of the drive")
    return metric.measured(count)


def describe_red_lights(rollout: Rollout) -> str:
    """Of each stop line that was crossed on red how fast, and how far beyond it the front came to a halt; "" without
    one."""
    return "; ".join(_describe_crossing(rollout, int(at)) for at in np.flatnonzero(rollout.red_light))


def _describe_crossing(rollout: Rollout, at: int) -> str:
    speed = rollout.scenes.speed.astype(np.float64)
    words = f"crossed at {speed[at]:.1f} m/s"
    before = at - 1
    if before < 0 or not rollout.scenes.signal_valid[before]:
        return words

    way = np.concatenate([[0.0], np.cumsum(rollout.progress)])
    beyond = way - way[before] - float(rollout.scenes.signal_distance[before])
    halts = np.flatnonzero(speed[at:] < HALTED)
    if not len(halts):
        return f"{words}, {max(beyond[at:].max(), 0.0):.1f} m beyond the line without a halt"
    # pushed on after a halt is another matter: how far it came by then is what braking was short of
    overrun = max(float(beyond[at : at + halts[0] + 1].max()), 0.0)
    slight = f", less than {SLIGHT:g} m" if overrun < SLIGHT else ""
    return f"{words}, halted {overrun:.1f} m beyond the line{slight}"


@dataclass(frozen=True, kw_only=True)
class SignalViolations:
    """What a driver did at lights and stop signs.

    Args:
        red_lights: stop lines crossed on red.
        stop_signs: stop signs passed without a stop.
        distance: driven where lights and signs are known [m].
    """

    red_lights: int
    stop_signs: int
    distance: float

    @property
    def red_lights_per_km(self) -> float | None:
        """[1/km]; None of a drive that went nowhere."""
        return _per_km(self.red_lights, self.distance)

    @property
    def stop_signs_per_km(self) -> float | None:
        """[1/km]; None of a drive that went nowhere."""
        return _per_km(self.stop_signs, self.distance)

    @staticmethod
    def of(record: DriveRecord) -> SignalViolations | None:
        """Those of a drive; None where lights and signs are known nowhere."""
        known, red, missed = record.signal_known, record.red_light, record.stop_sign_missed
        if known is None or red is None or missed is None or not known.any():
            return None
        steps = np.zeros(record.num_instants - 1) if record.progress is None else record.progress
        return SignalViolations(
            red_lights=int(red.sum()), stop_signs=int(missed.sum()), distance=float(steps[known[1:]].sum())
        )

    @staticmethod
    def total(violations: Iterable[SignalViolations | None]) -> SignalViolations | None:
        """Those of many drives, of which some may not be known; None if none is."""
        known = [one for one in violations if one is not None]
        if not known:
            return None
        return SignalViolations(
            red_lights=sum(one.red_lights for one in known),
            stop_signs=sum(one.stop_signs for one in known),
            distance=sum(one.distance for one in known),
        )


def violations_text(violations: SignalViolations | None) -> tuple[str, str]:
    """Red lights run and stop signs missed as a report shows them: "2 (1.3 per km)", or "not known"."""
    if violations is None:
        return "not known", "not known"
    red = _count_text(violations.red_lights, violations.red_lights_per_km)
    return red, _count_text(violations.stop_signs, violations.stop_signs_per_km)


def _per_km(count: int, distance: float) -> float | None:
    return 1000.0 * count / distance if distance > 0 else None


def _count_text(count: int, rate: float | None) -> str:
    return f"{count} ({rate:.1f} per km)" if count and rate is not None else f"{count}"

"""Red lights run and stop signs missed, counted and per kilometre, where lights and signs are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policies.drive import Rollout


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
    def of(rollout: Rollout) -> SignalViolations | None:
        """Those of a drive; None where lights and signs are known nowhere."""
        known = rollout.scenes.signal_valid
        if not known.any():
            return None
        return SignalViolations(
            red_lights=int(rollout.red_light.sum()),
            stop_signs=int(rollout.stop_sign_missed.sum()),
            distance=float(rollout.progress[known[1:]].sum()),
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

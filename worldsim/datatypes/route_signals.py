"""The lights and signs along routes: what comes next, and whether the ego obeyed it. numpy only.

One set of functions for every world: those that know their map ask for one ego, the learned world for many at once, and
CARLA hands in what its lights show instead of their cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from worldsim.datatypes.signals import (
    LIGHT_CYCLE_NAMES,
    NO_SIGNALS,
    ROUTE_SIGNAL_NAMES,
    SIGNAL_BEHIND,
    SIGNAL_RANGE,
    LightCycleColumn,
    RouteSignalColumn,
    SignalKind,
    light_states,
)

STOP_SPEED = 0.5
"""A car slower than this has stopped [m/s]."""
STOP_WITHIN = 4.0
"""A stop at a stop sign is made within this distance before its line (CARLA leaderboard) [m]."""
_CYCLE = [RouteSignalColumn[name.upper()] for name in LIGHT_CYCLE_NAMES]


class RouteSignals(NamedTuple):
    """The stop lines along the routes of `b` egos, each with up to `k` of them.

    s: arc length of each line on its route, float64 [b, k] [m], inf of padding. kinds: SignalKind, RED of a light
    whatever it shows, int64 [b, k]. cycles: LIGHT_CYCLE_NAMES of the lights, float64 [b, k, 4]. known: whether the
    lights and signs of the route are known at all, bool [b].
    """

    s: np.ndarray
    kinds: np.ndarray
    cycles: np.ndarray
    known: np.ndarray

    @staticmethod
    def stack(rows: Sequence[np.ndarray | None]) -> RouteSignals:
        """Of ROUTE_SIGNAL_NAMES [k, 6] for each route, as in a StartClip; None where nothing is known."""
        b, k = len(rows), max((len(one) for one in rows if one is not None), default=0)
        padded = np.zeros((b, k, len(ROUTE_SIGNAL_NAMES)))
        padded[..., RouteSignalColumn.S] = np.inf
        for slot, one in enumerate(rows):
            if one is not None:
                padded[slot, : len(one)] = one
        return RouteSignals(
            s=padded[..., RouteSignalColumn.S],
            kinds=padded[..., RouteSignalColumn.KIND].astype(np.int64),
            cycles=padded[..., _CYCLE],
            known=np.array([one is not None for one in rows], bool),
        )

    def take(self, slots: Sequence[int]) -> RouteSignals:
        """Those of the given egos, in that order."""
        return RouteSignals(*(values[list(slots)] for values in self))

    @staticmethod
    def concat(many: Sequence[RouteSignals]) -> RouteSignals:
        """Those of all of them, in that order."""
        k = max(signals.s.shape[1] for signals in many)
        padded = [signals._padded(k) for signals in many]
        return RouteSignals(*(np.concatenate(values) for values in zip(*padded, strict=True)))

    def _padded(self, k: int) -> RouteSignals:
        b, own = self.s.shape
        if own == k:
            return self
        padded = RouteSignals(
            s=np.full((b, k), np.inf), kinds=np.zeros((b, k), np.int64), cycles=np.zeros((b, k, 4)), known=self.known
        )
        padded.s[:, :own], padded.kinds[:, :own], padded.cycles[:, :own] = self.s, self.kinds, self.cycles
        return padded

    def shown(self, time: np.ndarray) -> np.ndarray:
        """What each light and sign shows at the times [b] [s]: SignalKind, int64 [b, k]."""
        return shown_signals(self.kinds, self.cycles, np.asarray(time)[:, None])

    def ahead(self, slot: int, s: float, time: float) -> np.ndarray | None:
        """ROUTE_SIGNAL_NAMES float32 [k, 6] of one route from arc length `s` on, at which the arcs of the answer begin,
        as its cycles do at `time`; None where nothing is known."""
        if not self.known[slot]:
            return None
        left = np.flatnonzero((self.s[slot] >= s) & np.isfinite(self.s[slot]))
        rows = np.zeros((len(left), len(ROUTE_SIGNAL_NAMES)), np.float32)
        rows[:, RouteSignalColumn.S] = self.s[slot, left] - s
        rows[:, RouteSignalColumn.KIND] = self.kinds[slot, left]
        rows[:, _CYCLE] = cycles_from(self.cycles[slot, left], time)
        return rows if len(rows) else NO_SIGNALS


class SignalCompliance(NamedTuple):
    """How egos [...] have obeyed the lights and signs of their routes.

    stopped: the ego has stopped at the stop sign that comes next, bool. red_light: in this step its front crossed a
    stop line on red, bool. stop_sign_missed: in this step it crossed the line of a stop sign without having stopped
    within STOP_WITHIN before it, bool.
    """

    stopped: np.ndarray
    red_light: np.ndarray
    stop_sign_missed: np.ndarray

    def take(self, slots: Sequence[int]) -> SignalCompliance:
        """That of the given egos [b], in that order."""
        return SignalCompliance(*(values[list(slots)] for values in self))


def shown_signals(kinds: np.ndarray, cycles: np.ndarray, time: np.ndarray | float) -> np.ndarray:
    """What lights and signs of `kinds` [...] and `cycles` [..., 4] show at `time` [s], SignalKind, int64 [...]."""
    return np.where(kinds == SignalKind.RED, light_states(cycles, time), kinds)


def cycles_from(cycles: np.ndarray, time: float) -> np.ndarray:
    """The cycles [..., 4] for a clock that begins at `time` [s]; offsets within one period from its beginning."""
    moved = np.array(cycles, np.float64)
    period = moved[..., LightCycleColumn.PERIOD]
    offset = np.mod(moved[..., LightCycleColumn.OFFSET] - time, np.where(period > 0, period, np.inf))
    moved[..., LightCycleColumn.OFFSET] = np.where(period > 0, offset, 0.0)
    return moved


def next_signal(
    lines: np.ndarray, shown: np.ndarray, front: np.ndarray, stopped: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The light or sign that counts for each ego: SignalKind int64 [...], and the distance to its line float64 [...]
    [m]; NONE and 0 where there is none within SIGNAL_RANGE.

    A stop sign at which the ego has stopped is one to give way at from then on: YIELD. Once crossed a sign counts no
    more; a light does for SIGNAL_BEHIND, so that a car that halts late still waits at it.

    Args:
        lines: arc lengths of the stop lines on the route, [..., k] [m]; inf of none.
        shown: what is shown there, SignalKind, [..., k].
        front: arc length of the ego's front bumper, [...] [m].
        stopped: as in SignalCompliance, [...].
    """
    if not lines.shape[-1]:
        return np.zeros(front.shape, np.int64), np.zeros(front.shape)
    gap = lines - front[..., None]
    is_sign = (shown == SignalKind.STOP) | (shown == SignalKind.YIELD)
    counts = (gap <= SIGNAL_RANGE) & (gap >= np.where(is_sign, 0.0, -SIGNAL_BEHIND))
    nearest = np.argmin(np.where(counts, gap, np.inf), axis=-1)[..., None]
    found = counts.any(-1)
    signal = np.take_along_axis(shown, nearest, axis=-1)[..., 0]
    signal = np.where(stopped & (signal == SignalKind.STOP), int(SignalKind.YIELD), signal)
    distance = np.take_along_axis(gap, nearest, axis=-1)[..., 0]
    return np.where(found, signal, int(SignalKind.NONE)), np.where(found, distance, 0.0)


def begin_compliance(
    lines: np.ndarray, shown: np.ndarray, front: np.ndarray, speed: np.ndarray, stopped: np.ndarray
) -> SignalCompliance:
    """That of egos at the beginning of a drive: none has crossed anything, those that stand at a stop sign have stopped
    there, as have those of which it is known (`stopped`).

    Args: as in `comply`.
    """
    none = np.zeros(front.shape, bool)
    return SignalCompliance(_is_at_stop(lines, shown, front) & (stopped | (np.abs(speed) < STOP_SPEED)), none, none)


def comply(
    lines: np.ndarray,
    shown: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    speed: np.ndarray,
    stopped: np.ndarray,
) -> SignalCompliance:
    """The compliance of egos [...] after a step.

    A line is crossed when the front passes over it forwards: standing at it, standing on it when its light turns red,
    and rolling back over it cross nothing. What the light showed before the step counts: crossing on yellow is allowed.

    Args:
        lines: arc lengths of the stop lines on the route, [..., k] [m]; inf of none.
        shown: what was shown there before the step, SignalKind, [..., k].
        before: arc length of the ego's front bumper before the step on the same route, [...] [m].
        after: and after it; NaN off the route, where no line is crossed.
        speed: after the step, [...] [m/s].
        stopped: as in SignalCompliance, before the step.
    """
    crossed = (lines >= before[..., None]) & (lines < after[..., None])
    crossed_stop = (crossed & (shown == SignalKind.STOP)).any(-1)
    still = stopped & ~crossed_stop
    return SignalCompliance(
        stopped=_is_at_stop(lines, shown, after) & (still | (np.abs(speed) < STOP_SPEED)),
        red_light=(crossed & (shown == SignalKind.RED)).any(-1),
        stop_sign_missed=crossed_stop & ~stopped,
    )


def _is_at_stop(lines: np.ndarray, shown: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Whether the line of a stop sign is at most STOP_WITHIN ahead, bool [...]."""
    gap = lines - front[..., None]
    return ((shown == SignalKind.STOP) & (gap >= 0) & (gap <= STOP_WITHIN)).any(-1)

"""Figures of reports as PNG bytes, drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from policies.drive import Rollout
from scenarios.case_results import CaseResult
from scenarios.colors import EGO, FAINT, GOOD, INK, OUTCOMES
from scenarios.metrics.time_to_collision import TimeToCollisionConfig
from worldsim.datatypes.scene import LaneColumn


def scenario_figure(results: Sequence[CaseResult], labels: Mapping[str, str]) -> bytes:
    """How close each case came to a collision, and which parameters the failures have.

    Args:
        results: of one scenario.
        labels: name of each parameter to name with unit.

    Raises:
        ValueError: there are no results.
    """
    if not results:
        raise ValueError("a figure needs at least one result")
    figure = _figure(9.2, 3.0)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])

    horizon = TimeToCollisionConfig().horizon
    known = [r for r in results if r.min_ttc_known]
    ordered = sorted(known, key=lambda r: horizon if r.min_ttc is None else r.min_ttc)
    for i, r in enumerate(ordered):
        ttc = horizon if r.min_ttc is None else r.min_ttc
        left.vlines(i, 0, ttc, color=OUTCOMES[r.outcome], linewidth=1.4)
        left.plot(i, ttc, "o", color=OUTCOMES[r.outcome], markersize=5)
    left.axhline(TimeToCollisionConfig().bound, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
    left.set(
        ylim=(0, horizon * 1.08),
        xlabel="cases where it is known, closest first; dashed: nuPlan's bound",
        ylabel="min. time to collision [s]",
    )
    left.set_xticks([])

    x_name, y_name, *_ = [*results[0].parameters, "seed", ""]  # a scenario may have but one, or none
    for outcome, color in OUTCOMES.items():
        chosen = [r for r in results if r.outcome == outcome]
        if chosen:
            xs = [r.parameters.get(x_name, r.seed) for r in chosen]
            ys = [r.parameters.get(y_name, 0.0) for r in chosen]
            right.plot(xs, ys, "o", color=color, markersize=6, alpha=0.85, label=outcome.replace("_", " "))
    right.set(xlabel=labels.get(x_name, x_name), ylabel=labels.get(y_name, y_name))
    right.legend(frameon=False, fontsize=8, labelcolor=INK)
    return _png(figure)


def drive_figure(rollout: Rollout) -> bytes:
    """Speed, lane offset and event probabilities of one drive over time."""
    figure = _figure(9.2, 2.6)
    speed, offset, risk = figure.subplots(1, 3)
    t = np.arange(len(rollout.frames)) * rollout.dt
    scenes = rollout.scenes

    limit = np.where(scenes.lane_valid[:, LaneColumn.SPEED_LIMIT], scenes.speed_limit, np.nan)
    speed.plot(t, 3.6 * limit, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), label="limit")
    speed.plot(t, 3.6 * scenes.speed, color=EGO, linewidth=1.8, label="speed")
    speed.set(ylabel="[km/h]", ylim=(0, None), title="speed")
    speed.legend(frameon=False, fontsize=8)

    half = np.where(scenes.lane_valid[:, LaneColumn.HALF_WIDTH], scenes.half_width, np.nan)
    offset.fill_between(t, -half, half, color="#e6ecf5", linewidth=0)
    lateral = np.where(scenes.lane_valid[:, LaneColumn.LATERAL_OFFSET], scenes.lateral_offset, np.nan)
    offset.plot(t, lateral, color=GOOD, linewidth=1.8)
    offset.set(ylabel="[m]", title="offset from the lane centre")

    risk.plot(t, rollout.collision, color=OUTCOMES["collision"], linewidth=1.8, label="collision")
    risk.plot(t, rollout.off_road, color=OUTCOMES["off_road"], linewidth=1.8, label="off road")
    risk.set(ylim=(-0.02, 1.02), title="probability")
    risk.legend(frameon=False, fontsize=8)

    for axes in (speed, offset, risk):
        axes.set_xlabel("time [s]")
    return _png(figure)


def agreement_figure(names: Sequence[str], reference: np.ndarray, simulator: np.ndarray) -> bytes:
    """Mean scores of planners in two worlds, each with the 95 % interval of its mean over the starts.

    Args:
        names: of the planners.
        reference: scores [planners, starts].
        simulator: the same.
    """
    figure = _figure(9.2, 5.6)
    axes = figure.subplots()
    rng = np.random.default_rng(0)
    draws = rng.integers(reference.shape[1], size=(500, reference.shape[1]))
    spread = [np.quantile(x[:, draws].mean(-1), [0.025, 0.975], axis=1) for x in (reference, simulator)]
    means = [x.mean(axis=1) for x in (reference, simulator)]
    errors = [np.abs(s - m) for s, m in zip(spread, means, strict=True)]

    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.errorbar(*means, xerr=errors[0], yerr=errors[1], fmt="o", color=EGO, ecolor="#b9cbe4", markersize=5)
    for name, x, y in zip(names, *means, strict=True):
        axes.annotate(name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7, color=INK)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set(xlabel="mean score in the reference world", ylabel="mean score in the learned world")
    return _png(figure)


def trust_figure(trust: np.ndarray, path: np.ndarray, score: np.ndarray) -> bytes:
    """How far drives in two worlds are apart over the trust in one of them, and the mean in each quarter of the drives
    by trust.

    Args:
        trust: of pairs of drives, [n].
        path: mean distance of their places [m], [n].
        score: difference of their scores, [n].
    """
    figure = _figure(9.2, 3.2)
    order = np.argsort(trust, kind="stable")
    quarters = [rows for rows in np.array_split(order, 4) if len(rows)]
    labels = ("distance of the paths [m]", "difference of the scores")
    for axes, values, label in zip(figure.subplots(1, 2), (path, score), labels, strict=True):
        axes.plot(trust, values, "o", color=EGO, markersize=4, alpha=0.5)
        middles, means = [trust[rows].mean() for rows in quarters], [values[rows].mean() for rows in quarters]
        axes.plot(middles, means, "D-", color=OUTCOMES["off_road"], linewidth=1.4, markersize=6)
        axes.set(xlabel="lowest trust of the drive", ylabel=label, ylim=(0, None))
    return _png(figure)


def effort_figure(series: Mapping[str, Sequence[tuple[str, float, float]]]) -> bytes:
    """Mean scores of planners over what a decision of theirs costs, a panel a world.

    Args:
        series: title of each world to the name, processor time [ms] and score of each planner.
    """
    figure = _figure(9.2, 3.9)
    for axes, (title, points) in zip(figure.subplots(1, len(series), squeeze=False)[0], series.items(), strict=True):
        for name, milliseconds, score in points:
            axes.plot(max(milliseconds, 0.01), score, "o", color=EGO, markersize=5)
            place = {"xytext": (5, 3), "textcoords": "offset points", "fontsize": 7, "color": INK}
            axes.annotate(name, (max(milliseconds, 0.01), score), **place)
        axes.set(title=title, xscale="log", xlabel="processor time a decision [ms]", ylabel="PDMS", ylim=(-0.02, 1.05))
    return _png(figure)


def overoptimisation_figure(series: Mapping[str, Sequence[tuple[int, float]]]) -> bytes:
    """Reward over the size of the search, a line a world.

    Args:
        series: title of each world to sequences tried in a round and reward per second.
    """
    figure = _figure(5.6, 3.4)
    axes = figure.subplots()
    for (title, points), color in zip(series.items(), (EGO, *OUTCOMES.values()), strict=False):
        axes.plot(*zip(*points, strict=True), "o-", color=color, markersize=5, linewidth=1.4, label=title)
    axes.set(xscale="log", xlabel="sequences tried in a round", ylabel="reward [1/s]")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    return _png(figure)


def robustness_figure(robustness: Sequence[float], outcomes: Sequence[str]) -> bytes:
    """The robustness of each run of a search, in its order, and the least until then; below 0 is a failure.

    Args:
        robustness: of the runs, [n]; what is above 1 is drawn at 1.
        outcomes: as in CaseResult, [n].
    """
    figure = _figure(9.2, 3.2)
    axes = figure.subplots()
    values = np.minimum(np.asarray(robustness, np.float64), 1.0)
    for outcome, color in OUTCOMES.items():
        chosen = np.flatnonzero(np.asarray(outcomes) == outcome)
        if len(chosen):
            axes.plot(chosen, values[chosen], "o", color=color, markersize=3, label=outcome.replace("_", " "))
    axes.plot(np.minimum.accumulate(values), color=INK, linewidth=1.2, label="least so far")
    axes.axhline(0.0, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set(xlabel="run", ylabel="robustness", ylim=(-1.05, 1.05))
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper right")
    return _png(figure)


def parameters_figure(labels: Sequence[str], values: np.ndarray, outcomes: Sequence[str]) -> bytes:
    """Where the runs of a search were, a panel for each parameter beside the next one.

    Args:
        labels: of the parameters, [p].
        values: of the runs, [n, p].
        outcomes: as in CaseResult, [n].
    """
    pairs = [(k, (k + 1) % len(labels)) for k in range(max(len(labels) - 1, 1))]
    rows = -(-len(pairs) // 3)
    figure = _figure(9.2, 2.9 * rows)
    panels = figure.subplots(rows, min(len(pairs), 3), squeeze=False).ravel()
    for axes, (x, y) in zip(panels, pairs, strict=False):
        for outcome, color in OUTCOMES.items():
            chosen = np.asarray(outcomes) == outcome
            if chosen.any():
                label = outcome.replace("_", " ")
                axes.plot(values[chosen, x], values[chosen, y], "o", color=color, markersize=3, alpha=0.7, label=label)
        axes.set(xlabel=labels[x], ylabel=labels[y])
    for axes in panels[len(pairs) :]:
        axes.set_axis_off()
    panels[0].legend(frameon=False, fontsize=7, labelcolor=INK)
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#cbd2dc")
        axes.tick_params(colors=FAINT, labelsize=8)
        axes.xaxis.label.set(color=FAINT, size=9)
        axes.yaxis.label.set(color=FAINT, size=9)
        axes.title.set(color=INK, size=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=160, metadata={"Software": None})
    return file.getvalue()

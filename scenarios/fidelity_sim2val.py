"""The reference world's mean scores from few runs there and many in the learned world, as Sim2Val estimates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenarios.control_variates import LEAST_PAIRS, ControlVariateMean, control_variate_mean
from scenarios.fidelity_worlds import interval_text
from scenarios.report import Section, Table

SHARE = 4
"""A pair is kept of every so many starts; of the others only the learned world's run is used."""
NUM_DRAWS = 200
"""Choices of the pairs over which the error is measured."""


@dataclass(frozen=True, kw_only=True)
class Sim2Val:
    """Estimates of each planner's mean score in the reference world over all starts.

    Args:
        estimates: by planner, with one choice of the starts that are driven in both worlds.
        reference: the planners' means over all starts in the reference world, which the estimates do not know.
        num_pairs: starts that are driven in both worlds.
        num_more: further ones that are driven in the learned world alone.
        error: root mean square of the estimates' distance from `reference`, over all planners and NUM_DRAWS choices.
        error_alone: the same of the mean over the pairs' runs in the reference world.
    """

    estimates: Mapping[str, ControlVariateMean]
    reference: Mapping[str, float]
    num_pairs: int
    num_more: int
    error: float
    error_alone: float

    @property
    def effective_runs(self) -> float:
        """Reference runs whose mean would have been as near to `reference`; NaN where nothing was to be estimated.

        The mean of n of N starts has the variance S² (1/n - 1/N) about that of all N (sampling without replacement).
        """
        if self.error_alone == 0:
            return np.nan
        all_starts = self.num_pairs + self.num_more
        left = (self.error / self.error_alone) ** 2
        return 1 / (1 / all_starts + left * (1 / self.num_pairs - 1 / all_starts))


def compare_sim2val(planners: Sequence[str], reference: np.ndarray, learned: np.ndarray) -> Sim2Val | None:
    """Estimate each planner's mean from a part of the reference runs.

    Args:
        planners: names.
        reference: scores in the reference world, [planners, starts].
        learned: in the learned world, likewise.

    Returns:
        None where there are too few starts.
    """
    num_starts = reference.shape[1]
    num_pairs = max(LEAST_PAIRS, num_starts // SHARE)
    if num_starts - num_pairs < 1:
        return None

    rng, truth = np.random.default_rng(0), reference.mean(axis=1)
    choices = [rng.permutation(num_starts) for _ in range(NUM_DRAWS)]

    def estimate(k: int, order: np.ndarray) -> ControlVariateMean:
        pairs, rest = order[:num_pairs], order[num_pairs:]
        return control_variate_mean(reference=reference[k, pairs], simulator=learned[k, pairs], more=learned[k, rest])

    found = [[estimate(k, order) for order in choices] for k in range(len(planners))]
    errors = np.array([[one.estimate.estimate - truth[k] for one in of_one] for k, of_one in enumerate(found)])
    alone = np.array([[one.alone.estimate - truth[k] for one in of_one] for k, of_one in enumerate(found)])
    return Sim2Val(
        estimates={name: found[k][0] for k, name in enumerate(planners)},
        reference=dict(zip(planners, truth.tolist(), strict=True)),
        num_pairs=num_pairs,
        num_more=num_starts - num_pairs,
        error=float(np.sqrt(np.square(errors).mean())),
        error_alone=float(np.sqrt(np.square(alone).mean())),
    )


def sim2val_content(sim2val: Sim2Val) -> dict[str, Any]:
    """As JSON; None where a value is undefined."""

    def value(x: float) -> float | None:
        return float(x) if np.isfinite(x) else None

    return {
        "num_pairs": sim2val.num_pairs,
        "num_more": sim2val.num_more,
        "error": sim2val.error,
        "error_alone": sim2val.error_alone,
        "effective_runs": value(sim2val.effective_runs),
        "planners": {
            name: {
                "reference": sim2val.reference[name],
                "estimate": asdict(one.estimate),
                "alone": asdict(one.alone),
                "correlation": one.correlation,
                "effective_runs": value(one.effective_runs),
            }
            for name, one in sim2val.estimates.items()
        },
    }


def sim2val_section(content: Mapping[str, Any]) -> Section:
    """For reports.

    Args:
        content: of `sim2val_content`.
    """
    num_pairs, num_more, runs = content["num_pairs"], content["num_more"], content["effective_runs"]
    worth = "" if runs is None else f": as near as {runs:.0f} reference runs would come"
    rows = [
        [
            name.replace("_", " "),
            f"{one['reference']:.3f}",
            interval_text(one["estimate"], ".3f"),
            interval_text(one["alone"], ".3f"),
            f"{one['correlation']:.2f}",
            "–" if one["effective_runs"] is None else f"{one['effective_runs']:.0f}",
        ]
        for name, one in content["planners"].items()
    ]
    header = ["planner", "mean of all reference runs", "estimate", f"{num_pairs} reference runs alone"]
    return Section(
        title="Fewer reference runs",
        text=f"Each planner's mean score in the reference world, estimated from {num_pairs} starts driven in both "
        f"worlds and {num_more} in the learned world alone, by control variates (Sim2Val, Luo et al. 2025); unbiased "
        f"however wrong the learned world is. Over {NUM_DRAWS} choices of the starts and all planners the estimate is "
        f"off by {content['error']:.3f} (root mean square) of the mean of all {num_pairs + num_more} reference runs, "
        f"{num_pairs} reference runs alone by {content['error_alone']:.3f}{worth}. The table is of one choice, its "
        "intervals are of the mean over all starts there could be: 95 %, Student's; where all runs scored alike they "
        "have no width and say nothing.",
        table=Table(header=[*header, "correlation", "effective reference runs"], rows=rows),
    )

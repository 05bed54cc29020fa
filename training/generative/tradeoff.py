"""What guidance buys and costs, as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.generative.train import CHECKPOINT
from worldsim.atomic_files import atomic_path

if TYPE_CHECKING:
    from training.generative.evaluate import Quality


def model_name(model: str) -> str:
    """How a generator's folder is called where it is shown: `checkpoint` by the run that it is of."""
    folder = Path(model)
    return folder.parent.name if folder.name == CHECKPOINT else folder.name


def save_tradeoff(qualities: Sequence[Quality], path: Path) -> None:
    """Of every model and sampler a curve over guidance: precision over recall, agreement with the class, Fréchet
    distance with its interval."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    sets, agreement, distance = figure.subplots(1, 3)
    for model, sampling in dict.fromkeys((q.model, q.sampling) for q in qualities):
        curve = sorted((q for q in qualities if (q.model, q.sampling) == (model, sampling)), key=lambda q: q.guidance)
        scales = [q.guidance for q in curve]
        name = f"{model_name(model)}, {sampling}"
        recall, precision = ([getattr(q.sets, side) for q in curve] for side in ("recall", "precision"))
        sets.plot(recall, precision, "o-", label=name)
        for x, y, scale in zip(recall, precision, scales, strict=True):
            sets.annotate(f"{scale:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=7)
        agreement.plot(scales, [100 * q.agreement for q in curve], "o-", label=name)
        low, high = ([q.frechet.low for q in curve], [q.frechet.high for q in curve])
        (line,) = distance.plot(scales, [q.frechet.value for q in curve], "o-", label=name)
        distance.fill_between(scales, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    sets.set(xlabel="recall", ylabel="precision; guidance at each point")
    agreement.set(xlabel="guidance", ylabel="of their class [%]")
    distance.set(xlabel="guidance", ylabel="Fréchet distance", yscale="log")
    sets.legend(fontsize=7, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)

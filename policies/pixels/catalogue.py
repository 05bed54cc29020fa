"""The pixel planners that ship with the package, from good to bad, so that their ranking says something."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from policies.pixels.vision import Vision
from policies.policy import Policy

WEIGHTS = Path(__file__).with_name("weights")
"""Folder of the shipped weights, one file a planner."""


@dataclass(frozen=True, kw_only=True)
class PixelPlannerEntry:
    """A pixel planner that `drivedit clone` trains.

    Args:
        name: as on the command line, and of its file of weights.
        title: what sets it apart, in a few words.
        vision: what its sight suffers from, in training as on the road.
    """

    name: str
    title: str
    vision: Vision = field(default_factory=Vision)

    def load(self, folder: Path = WEIGHTS) -> Policy:
        """The planner with its weights.

        Raises:
            FileNotFoundError: they are not in `folder`.
            ValueError: they are damaged, or of another network.
        """
        from policies.pixels.network import PixelNetwork
        from policies.pixels.planner import PixelPlanner
        from worldsim.checkpoint import load_weights  # these load torch, which other policies do not need

        network = PixelNetwork()
        load_weights(network, folder / f"{self.name}.safetensors")
        return PixelPlanner(network, self.vision)


PIXEL_PLANNERS: dict[str, PixelPlannerEntry] = {
    entry.name: entry
    for entry in (
        PixelPlannerEntry(name="pixels", title="no handicap"),
        PixelPlannerEntry(name="pixels_grey", title="sees no colours", vision=Vision(grey=True)),
        PixelPlannerEntry(name="pixels_delayed", title="sees 0.4 s late", vision=Vision(delay=4)),
        PixelPlannerEntry(name="pixels_narrow", title="sees the middle third", vision=Vision(width=1 / 3)),
        PixelPlannerEntry(name="pixels_blurred", title="sees squares of 8 px", vision=Vision(blur=8)),
        PixelPlannerEntry(name="pixels_brief", title="trained briefly"),
        PixelPlannerEntry(name="pixels_little_data", title="24 of 480 episodes"),
        PixelPlannerEntry(name="pixels_least_data", title="6 of 480 episodes"),
    )
}
"""Name to entry, the unhandicapped one first."""

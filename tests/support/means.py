"""What reports say of their means: over how many they are, and from which seeds."""

import re
from typing import Any

COUNT = re.compile(r"num_\w+|drives|starts|rollouts|clips|pairs|pictures|frames|objects")
"""Names of counts: one stands beside a mean, or above it."""
NO_MEANS = ("config", "conditions", "provenance", "parameters", "statistics", "criteria", "reasons")
"""Parts that are settings, or what is asked for."""
SINGLE = ("results", "drives", "runs", "calibration", "psnr_curves")
"""Lists of single drives, which are no means, and curves, whose mean stands beside them."""


def uncounted_means(content: Any, place: str = "", counted: bool = False) -> list[str]:
    """Places of all numbers with a fraction that have no count in their own dict or in one around it."""
    if isinstance(content, dict):
        counted = counted or any(COUNT.fullmatch(name) and type(one) is int for name, one in content.items())
        parts = {name: part for name, part in content.items() if name not in NO_MEANS + SINGLE}
    elif isinstance(content, list):
        parts = dict(enumerate(content))
    else:
        return [place] if isinstance(content, float) and not counted else []
    return [found for name, part in parts.items() for found in uncounted_means(part, f"{place}/{name}", counted)]


def names_its_seeds(content: dict) -> bool:
    """Whether a report says what its starts and noise were drawn from."""
    provenance, config = content.get("provenance", {}), content.get("config", {})
    return bool(provenance.get("seeds")) or "seed" in config or "seed" in content

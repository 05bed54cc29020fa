"""The colours of reports: one meaning each, in plots, top views and the Rerun viewer alike."""

from __future__ import annotations

from worldsim.datatypes.scene import ObjectKind

INK, FAINT = "#1f2937", "#6b7280"
GOOD, BAD, INVALID = "#2f9e6e", "#d64545", "#b5bcc7"
EGO = "#2b6cb0"
"""Of the ego, and of the planners that drive it."""
USERS = {ObjectKind.PEDESTRIAN: "#c2410c", ObjectKind.STATIC: "#5d6b7e"}
CAR = "#b7791f"
"""Of road users of other kinds."""
OUTCOMES = {
    "passed": GOOD,
    "collision": BAD,
    "off_road": "#e08a2e",
    "red_light": "#b83280",
    "stop_sign": "#d53f8c",
    "left_route": "#c05621",
    "no_progress": "#8b6fc0",
    "policy_error": "#7a1f1f",
    "invalid": INVALID,
    "world_error": "#5d6b7e",
    "metric_error": "#3b4656",
}


def to_rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of "#rrggbb"."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue

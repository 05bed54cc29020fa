"""What the person can ask for: commands with their keys and gamepad buttons, and the help; the same in every face."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """Something a key, a button of a face or of a gamepad asks for.

    Args:
        name: of the command.
        key: its character, or "Enter", "Tab" or "Esc"; as the help writes it.
        pad: button of a gamepad, as the help writes it; "" when no button asks for it.
        does: a line of help.
    """

    name: str
    key: str
    pad: str
    does: str


COMMANDS = (
    Command("pause", "P", "X", "pause, go on"),
    Command("step", "N", "", "one step"),
    Command("slower", "-", "", "slow motion"),
    Command("faster", "=", "", "faster than time"),
    Command("rewind", "B", "B", "back 2 s"),
    Command("keep", "K", "LB", "keep this moment"),
    Command("return", "J", "RB", "return to the kept moment"),
    Command("restart", "R", "Start", "the same start again"),
    Command("next_start", "Enter", "", "the next start"),
    Command("world", "L", "", "the next world"),
    Command("autopilot", "M", "Y", "hand over to the policy, take over"),
    Command("record", "V", "", "record, and save as mp4"),
    Command("screenshot", "C", "", "save the picture as PNG"),
    Command("tool", "E", "", "choose what a click puts or takes away, or steer again"),
    Command("overlay", "O", "", "SceneState in the picture"),
    Command("clean", "Tab", "", "nothing but the picture"),
    Command("help", "H", "Back", "this help"),
    Command("quit", "Esc", "", "quit"),
)

HELP = (
    ("Arrows or WASD", "", "steer, throttle, brake"),
    ("Space", "A", "brake fully"),
    ("Mouse on the picture", "", "hold: aside steers, up throttles, down brakes"),
    ("Mouse on the bar", "", "hold: steers"),
    ("Click, after E", "", "puts a thing on the ground there, or takes one away; B takes it back"),
    ("", "Left stick", "steer"),
    ("", "RT, LT", "throttle, brake"),
    ("1 to 9", "", "start 1 to 9"),
    *((command.key, command.pad, command.does) for command in COMMANDS),
)
"""Key or mouse, gamepad, what it does."""

BUTTONS = ("restart", "pause", "step", "rewind", "keep", "return", "record", "autopilot", "help")
"""Commands that have a button in the face, from left to right."""
LABELS = {
    "restart": "Again",
    "pause": "Pause",
    "step": "Step",
    "rewind": "Back",
    "keep": "Keep",
    "return": "Return",
    "record": "Record",
    "autopilot": "Autopilot",
    "help": "Help",
}
ACTIVE_LABELS = {"pause": "Go on", "record": "Save", "autopilot": "Take over"}
"""What a button says instead while what it began goes on."""
KEYS = {command.name: command.key for command in COMMANDS}
"""Key of each command."""

"""Keyboard, mouse and gamepad of the viewer: which command an event asks for, and what is held down."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pygame
from pygame._sdl2 import controller

from envs.viewer.action_smoothing import Held
from envs.viewer.layout import Box, Layout

DEAD_ZONE = 0.12
"""Share of a stick's, trigger's or mouse's range that counts as released."""
AXIS_RANGE = 32767
"""SDL's value of an axis that is pushed all the way."""


class Command(NamedTuple):
    """Something a key, a button of the window or of a gamepad asks for.

    Args:
        name: of the command.
        key: pygame's key.
        key_name: as the help writes it.
        pad: SDL's game controller button; None when no button asks for it.
        pad_name: as the help writes it, "" without a button.
        does: a line of help.
    """

    name: str
    key: int
    key_name: str
    pad: int | None
    pad_name: str
    does: str


COMMANDS = (
    Command("pause", pygame.K_p, "P", pygame.CONTROLLER_BUTTON_X, "X", "pause, go on"),
    Command("step", pygame.K_n, "N", None, "", "one step"),
    Command("slower", pygame.K_MINUS, "-", None, "", "slow motion"),
    Command("faster", pygame.K_EQUALS, "=", None, "", "faster than time"),
    Command("rewind", pygame.K_b, "B", pygame.CONTROLLER_BUTTON_B, "B", "back 2 s"),
    Command("keep", pygame.K_k, "K", pygame.CONTROLLER_BUTTON_LEFTSHOULDER, "LB", "keep this moment"),
    Command("return", pygame.K_j, "J", pygame.CONTROLLER_BUTTON_RIGHTSHOULDER, "RB", "return to the kept moment"),
    Command("restart", pygame.K_r, "R", pygame.CONTROLLER_BUTTON_START, "Start", "the same start again"),
    Command("next_start", pygame.K_RETURN, "Enter", None, "", "the next start"),
    Command("autopilot", pygame.K_m, "M", pygame.CONTROLLER_BUTTON_Y, "Y", "hand over to the policy, take over"),
    Command("record", pygame.K_v, "V", None, "", "record, and save as mp4"),
    Command("screenshot", pygame.K_c, "C", None, "", "save the window as PNG"),
    Command("tool", pygame.K_e, "E", None, "", "choose what a click puts or takes away, or steer again"),
    Command("overlay", pygame.K_o, "O", None, "", "SceneState in the picture"),
    Command("clean", pygame.K_TAB, "Tab", None, "", "nothing but the picture"),
    Command("help", pygame.K_h, "H", pygame.CONTROLLER_BUTTON_BACK, "Back", "this help"),
    Command("quit", pygame.K_ESCAPE, "Esc", None, "", "quit"),
)
_COMMAND_OF_KEY = {command.key: command.name for command in COMMANDS}
_COMMAND_OF_PAD = {command.pad: command.name for command in COMMANDS if command.pad is not None}

HELP = (
    ("Arrows or WASD", "", "steer, throttle, brake"),
    ("Space", "A", "brake fully"),
    ("Mouse on the picture", "", "hold: aside steers, up throttles, down brakes"),
    ("Mouse on the bar", "", "hold: steers"),
    ("Click, after E", "", "puts a thing on the ground there, or takes one away; B takes it back"),
    ("", "Left stick", "steer"),
    ("", "RT, LT", "throttle, brake"),
    ("1 to 9", "", "start 1 to 9"),
    *((command.key_name, command.pad_name, command.does) for command in COMMANDS),
)
"""Key or mouse, gamepad, what it does."""


class Inputs:
    """What the person asks for and holds. pygame.display must be initialised; gamepads may come and go."""

    def __init__(self) -> None:
        controller.init()
        self._pads: dict[int, controller.Controller] = {}
        self._dragged: int | Literal["steer_bar"] | None = None

    def close(self) -> None:
        """Let go of the gamepads; pygame.quit alone would leave SDL's controllers half initialised."""
        self._pads.clear()
        controller.quit()

    def command(self, event: pygame.event.Event, layout: Layout) -> str | None:
        """The command an event asks for: a name of COMMANDS, or a digit "1" to "9" for a start; None for none."""
        if event.type == pygame.QUIT:
            return "quit"
        if event.type == pygame.KEYDOWN:
            return (
                str(event.key - pygame.K_0) if pygame.K_1 <= event.key <= pygame.K_9 else _COMMAND_OF_KEY.get(event.key)
            )
        if event.type == pygame.CONTROLLERBUTTONDOWN:
            return _COMMAND_OF_PAD.get(event.button)
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._dragged = _dragged_part(layout, event.pos)
            return layout.button_at(event.pos)
        if event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._dragged = None
        elif event.type == pygame.CONTROLLERDEVICEADDED and controller.is_controller(event.device_index):
            pad = controller.Controller(event.device_index)
            self._pads[pad.as_joystick().get_instance_id()] = pad
        elif event.type == pygame.CONTROLLERDEVICEREMOVED:
            self._pads.pop(event.instance_id, None)
        return None

    def held(self, layout: Layout) -> Held:
        """What is held now; a mouse goes before a gamepad, and both before the keys."""
        keys = pygame.key.get_pressed()
        steer, pedal = self._mouse(layout) if self._dragged is not None else (None, None)
        for pad in self._pads.values():
            right = pad.get_axis(pygame.CONTROLLER_AXIS_LEFTX) / AXIS_RANGE
            throttle = pad.get_axis(pygame.CONTROLLER_AXIS_TRIGGERRIGHT) / AXIS_RANGE
            brake = pad.get_axis(pygame.CONTROLLER_AXIS_TRIGGERLEFT) / AXIS_RANGE
            steer = _live(-right) if steer is None else steer
            pedal = _live(throttle - brake) if pedal is None else pedal
        return Held(
            left=keys[pygame.K_LEFT] or keys[pygame.K_a],
            right=keys[pygame.K_RIGHT] or keys[pygame.K_d],
            accelerate=keys[pygame.K_UP] or keys[pygame.K_w],
            brake=keys[pygame.K_DOWN] or keys[pygame.K_s],
            full_brake=keys[pygame.K_SPACE]
            or any(pad.get_button(pygame.CONTROLLER_BUTTON_A) for pad in self._pads.values()),
            steer=steer,
            pedal=pedal,
        )

    def _mouse(self, layout: Layout) -> tuple[float | None, float | None]:
        """Steering and pedals where the mouse holds them."""
        x, y = pygame.mouse.get_pos()
        if self._dragged == "steer_bar":
            return (None if layout.steer_bar is None else aim(layout.steer_bar, (x, y))[0]), None
        assert self._dragged is not None
        steer, pedal = aim(layout.views[self._dragged], (x, y))
        return steer, _live(pedal) or 0.0


def aim(box: Box, point: tuple[int, int]) -> tuple[float, float]:
    """Steering (positive left) and pedals (positive up), both in [-1, 1], for a mouse at `point` of a box."""
    half_width, half_height = max(box.w / 2, 1), max(box.h / 2, 1)
    steer = (box.x + half_width - point[0]) / half_width
    pedal = (box.y + half_height - point[1]) / half_height
    return max(-1.0, min(1.0, steer)), max(-1.0, min(1.0, pedal))


def _dragged_part(layout: Layout, point: tuple[int, int]) -> int | Literal["steer_bar"] | None:
    """The index of the view under `point`, or the bar."""
    if layout.steer_bar is not None and layout.steer_bar.contains(point):
        return "steer_bar"
    return next((i for i, box in enumerate(layout.views) if box.contains(point)), None)


def _live(value: float) -> float | None:
    """The value in [-1, 1] from the edge of the dead zone on; None within."""
    if abs(value) < DEAD_ZONE:
        return None
    beyond = (min(abs(value), 1.0) - DEAD_ZONE) / (1 - DEAD_ZONE)
    return beyond if value > 0 else -beyond

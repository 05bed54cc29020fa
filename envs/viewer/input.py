"""Keyboard, mouse and gamepad of the viewer: which command an event asks for, and what is held down."""

from __future__ import annotations

from typing import Literal

import pygame
from pygame._sdl2 import controller

from envs.viewer.commands import COMMANDS
from envs.viewer.held import Held, aim, beyond_dead_zone, hold_pad
from envs.viewer.layout import Box, Layout

AXIS_RANGE = 32767
"""SDL's value of an axis that is pushed all the way."""


_KEY_CODES = {"Enter": pygame.K_RETURN, "Tab": pygame.K_TAB, "Esc": pygame.K_ESCAPE}
_COMMAND_OF_KEY = {_KEY_CODES.get(command.key) or ord(command.key.lower()): command.name for command in COMMANDS}
_PAD_BUTTONS = {
    "X": pygame.CONTROLLER_BUTTON_X,
    "Y": pygame.CONTROLLER_BUTTON_Y,
    "B": pygame.CONTROLLER_BUTTON_B,
    "LB": pygame.CONTROLLER_BUTTON_LEFTSHOULDER,
    "RB": pygame.CONTROLLER_BUTTON_RIGHTSHOULDER,
    "Start": pygame.CONTROLLER_BUTTON_START,
    "Back": pygame.CONTROLLER_BUTTON_BACK,
}
_COMMAND_OF_PAD = {_PAD_BUTTONS[command.pad]: command.name for command in COMMANDS if command.pad}


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
            steer, pedal = hold_pad(
                steer,
                pedal,
                stick=pad.get_axis(pygame.CONTROLLER_AXIS_LEFTX) / AXIS_RANGE,
                throttle=pad.get_axis(pygame.CONTROLLER_AXIS_TRIGGERRIGHT) / AXIS_RANGE,
                brake=pad.get_axis(pygame.CONTROLLER_AXIS_TRIGGERLEFT) / AXIS_RANGE,
            )
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
        at = pygame.mouse.get_pos()
        if self._dragged == "steer_bar":
            return (None if layout.steer_bar is None else aim(*_shares(layout.steer_bar, at))[0]), None
        assert self._dragged is not None
        steer, pedal = aim(*_shares(layout.views[self._dragged], at))
        return steer, beyond_dead_zone(pedal) or 0.0


def _shares(box: Box, point: tuple[int, int]) -> tuple[float, float]:
    """Where `point` lies in a box, as shares of its width and height."""
    return (point[0] - box.x) / max(box.w, 1), (point[1] - box.y) / max(box.h, 1)


def _dragged_part(layout: Layout, point: tuple[int, int]) -> int | Literal["steer_bar"] | None:
    """The index of the view under `point`, or the bar."""
    if layout.steer_bar is not None and layout.steer_bar.contains(point):
        return "steer_bar"
    return next((i for i, box in enumerate(layout.views) if box.contains(point)), None)

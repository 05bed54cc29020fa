"""The viewer's inputs: keys, mouse, and a gamepad that SDL takes for a real one."""

import ctypes
from pathlib import Path

import pygame
import pytest

from envs.viewer.commands import COMMANDS, HELP
from envs.viewer.held import DEAD_ZONE, aim
from envs.viewer.input import Inputs
from envs.viewer.layout import arrange

LAYOUT = arrange((1120, 780), (128, 128), num_views=2)


@pytest.fixture
def inputs(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
    pygame.display.init()
    pygame.display.set_mode((1120, 780))
    inputs = Inputs()
    yield inputs
    inputs.close()
    pygame.quit()


class VirtualPad:
    """A gamepad made by SDL itself, whose sticks and buttons the test moves."""

    def __init__(self):
        maps = Path("/proc/self/maps")
        lines = maps.read_text().splitlines() if maps.exists() else []
        library = next((line.split()[-1] for line in lines if "libSDL2-2" in line), None)
        if library is None:
            pytest.skip("needs the SDL library of this process")
        self.sdl = ctypes.CDLL(library)
        self.sdl.SDL_JoystickOpen.restype = ctypes.c_void_p
        game_controller, num_axes, num_buttons, num_hats = 1, 6, 15, 0
        self.index = self.sdl.SDL_JoystickAttachVirtual(game_controller, num_axes, num_buttons, num_hats)
        self.pad = ctypes.c_void_p(self.sdl.SDL_JoystickOpen(self.index))
        for trigger in (4, 5):
            self.axis(trigger, -32768)

    def axis(self, axis, value):
        assert self.sdl.SDL_JoystickSetVirtualAxis(self.pad, axis, ctypes.c_int16(value)) == 0

    def button(self, button, down):
        assert self.sdl.SDL_JoystickSetVirtualButton(self.pad, button, int(down)) == 0

    def unplug(self):
        self.sdl.SDL_JoystickDetachVirtual(self.index)


def commands(inputs):
    return [name for event in pygame.event.get() if (name := inputs.command(event, LAYOUT)) is not None]


def mouse(kind, at, button=1):
    return pygame.event.Event(kind, pos=at, button=button)


def test_every_command_has_a_key_of_its_own_and_a_line_of_help():
    for names in ([c.key for c in COMMANDS], [c.name for c in COMMANDS], [c.pad for c in COMMANDS if c.pad]):
        assert len(set(names)) == len(names)
    assert {c.does for c in COMMANDS} <= {line[2] for line in HELP}
    assert not {c.key for c in COMMANDS} & {*"123456789", *"WASD", "Space"}


def test_keys_and_buttons_ask_for_commands(inputs):
    def key(code):
        return inputs.command(pygame.event.Event(pygame.KEYDOWN, key=code), LAYOUT)

    assert [key(code) for code in (pygame.K_k, pygame.K_j, pygame.K_c, pygame.K_o)] == [
        "keep",
        "return",
        "screenshot",
        "overlay",
    ]
    assert key(pygame.K_4) == "4"
    assert key(pygame.K_z) is None
    box = LAYOUT.buttons["rewind"]
    assert inputs.command(mouse(pygame.MOUSEBUTTONDOWN, (box.x + 3, box.y + 3)), LAYOUT) == "rewind"
    assert inputs.command(mouse(pygame.MOUSEBUTTONDOWN, (box.x + 3, box.y + 3), button=3), LAYOUT) is None
    assert inputs.command(pygame.event.Event(pygame.QUIT), LAYOUT) == "quit"


def test_aim_is_left_and_up_positive_and_ends_at_the_edge():
    assert aim(0.5, 0.5) == (0, 0)
    assert aim(0.25, 0.25) == (0.5, 0.5)
    assert aim(10, 15) == (-1, -1)


def test_mouse_on_a_picture_steers_and_presses_pedals_until_let_go(inputs, monkeypatch):
    box = LAYOUT.views[1]
    middle = (box.x + box.w // 2, box.y + box.h // 2)
    inputs.command(mouse(pygame.MOUSEBUTTONDOWN, middle), LAYOUT)
    monkeypatch.setattr(pygame.mouse, "get_pos", lambda: (box.x, box.y))
    assert (inputs.held(LAYOUT).steer, inputs.held(LAYOUT).pedal) == (1, 1)
    monkeypatch.setattr(pygame.mouse, "get_pos", lambda: (box.x + box.w, middle[1] + 1))
    assert (inputs.held(LAYOUT).steer, inputs.held(LAYOUT).pedal) == (-1, 0)
    inputs.command(mouse(pygame.MOUSEBUTTONUP, middle), LAYOUT)
    assert (inputs.held(LAYOUT).steer, inputs.held(LAYOUT).pedal) == (None, None)


def test_mouse_on_the_bar_steers_alone(inputs, monkeypatch):
    bar = LAYOUT.steer_bar
    inputs.command(mouse(pygame.MOUSEBUTTONDOWN, (bar.x + 5, bar.y + 5)), LAYOUT)
    monkeypatch.setattr(pygame.mouse, "get_pos", lambda: (bar.x + bar.w // 4, 0))
    assert inputs.held(LAYOUT).steer == pytest.approx(0.5, abs=0.01)
    assert inputs.held(LAYOUT).pedal is None


def test_gamepad_steers_presses_pedals_and_gives_commands(inputs):
    pad = VirtualPad()
    assert commands(inputs) == []
    assert (inputs.held(LAYOUT).steer, inputs.held(LAYOUT).pedal) == (None, None)
    pad.axis(0, -32768)
    pad.axis(5, 32767)
    pad.button(2, True)
    assert commands(inputs) == ["pause"]
    assert inputs.held(LAYOUT).steer == pytest.approx(1)
    assert inputs.held(LAYOUT).pedal == pytest.approx(1)
    pad.axis(0, round(32767 * DEAD_ZONE / 2))
    pad.axis(5, -32768)
    pad.axis(4, 0)
    pad.button(0, True)
    commands(inputs)
    held = inputs.held(LAYOUT)
    assert held.steer is None
    assert -0.5 < held.pedal < -0.4
    assert held.full_brake
    pad.unplug()
    commands(inputs)
    held = inputs.held(LAYOUT)
    assert (held.pedal, held.full_brake) == (None, False)

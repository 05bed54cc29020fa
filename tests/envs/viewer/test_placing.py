"""Putting and taking away by a click: tools, places under the mouse, both worlds or none."""

from types import SimpleNamespace

import numpy as np
import pygame
import pytest
from viewer_worlds import CAMERA, StraightEnv, session_on

from drivedit import edit
from envs.viewer.commands import HELP
from envs.viewer.config import PlayConfig
from envs.viewer.held import Held
from envs.viewer.placing import TOOLS, describe_tool, edit_at, next_tool, place_under
from envs.viewer.window import Window
from worldsim.editing.edits import THINGS
from worldsim.gbuffer.view import View


class SeeingWorld(SimpleNamespace):
    """A flat street as far as one sees, from x = 100, y = 50, heading along y."""

    dt, frame_size, sensor_names = 0.1, (32, 48), ("depth",)

    def sensor_frames(self, names):
        rows = CAMERA.unproject(np.array([(24.5, row + 0.5) for row in range(32)]), np.ones(32))
        fall = (CAMERA.mount_height - rows[:, 2]) / CAMERA.mount_height  # share of the way down in 1 m of depth
        depths = np.where(fall > 0.01, 1 / np.maximum(fall, 0.01), np.inf)
        return {"depth": np.tile(depths[:, None], (1, 48)).astype(np.float16)}

    def camera_scene(self):
        return SimpleNamespace(view=View(x=100.0, y=50.0, yaw=np.pi / 2))

    def light_cycles(self):
        return None


class EditableEnv(StraightEnv):
    def __init__(self, refuses: bool = False):
        super().__init__()
        self.world, self.refuses, self.edits = SeeingWorld(), refuses, []

    def edit(self, edits):
        if self.refuses:
            raise ValueError("a truck stands on somebody's foot")
        self.edits = [*self.edits, *edits]
        return self._answer()

    def snapshot(self):
        return (*super().snapshot(), self.edits)

    def restore(self, snapshot):
        *before, self.edits = snapshot
        super().restore(before)


def test_a_click_means_the_place_that_is_seen_there():
    pixel = (24.0, 28.0)
    place = place_under(SeeingWorld(), CAMERA, pixel)
    ahead, left = place.y - 50.0, -(place.x - 100.0)
    back, depth = CAMERA.project(np.array([(ahead, left, 0.0)]))
    assert depth[0] > 0
    assert back[0] == pytest.approx(pixel, abs=1.0)
    with pytest.raises(ValueError, match="only sky"):
        place_under(SeeingWorld(), CAMERA, (24.0, 0.0))
    with pytest.raises(ValueError, match="a SimpleNamespace does not tell"):
        place_under(SimpleNamespace(), CAMERA, pixel)


def test_the_key_goes_through_all_tools_and_back_to_steering():
    tools, tool = [], next_tool(None)
    while tool is not None:
        tools.append(tool)
        tool = next_tool(tool)
    assert tuple(tools) == TOOLS == (*THINGS, "remove")
    assert isinstance(edit_at(SeeingWorld(), CAMERA, (24, 28), "truck"), edit.Put)
    assert isinstance(edit_at(SeeingWorld(), CAMERA, (24, 28), "remove"), edit.Remove)
    assert all("click" in describe_tool(tool) for tool in TOOLS)
    assert any(key == "E" for key, _, _ in HELP)


def test_a_click_changes_all_worlds_or_none(tmp_path):
    first, second = EditableEnv(), EditableEnv()
    session = session_on(first, tmp_path, beside=(second,))
    session.change(1, (24.0, 28.0), "truck")
    assert first.edits == second.edits
    assert first.edits[0].thing == "truck"
    assert session.message == "put a truck"
    second.refuses = True
    session.change(0, (24.0, 28.0), "tree")
    assert "somebody's foot" in session.message
    assert len(first.edits) == len(second.edits) == 1


def test_a_rewind_takes_it_back(tmp_path):
    env = EditableEnv()
    session = session_on(env, tmp_path)
    session.advance(np.zeros(2, np.float32))
    session.change(0, (24.0, 28.0), "tree")
    session.rewind()
    assert env.edits == []


def test_with_a_tool_the_mouse_puts_and_does_not_steer(tmp_path):
    pygame.display.init()
    pygame.font.init()
    try:
        surface, env = pygame.display.set_mode((1120, 780)), EditableEnv()
        config = PlayConfig(screenshot=tmp_path / "shot.png", steps=8)
        window = Window(surface, config, lambda config: session_on(env, tmp_path))
        while window._drive.session is None:
            window._drive.forward(Held(), 0.0)
        window._command("tool")
        view = window._layout().views[0]
        click = (view.x + view.w // 2, view.y + round(0.9 * view.h))
        assert window._click(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=click), window._layout())
        window._paint()
        window.run()
        assert env.edits[0].thing == TOOLS[0]
        assert not np.any(np.array(env.actions)[:, 0])
    finally:
        pygame.quit()

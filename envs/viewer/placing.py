"""Putting and taking away by a click in the viewer's picture: which tool is held, and the place under the mouse."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from envs.world import CameraSceneWorld, SensorWorld, World
from worldsim.datatypes.camera import PinholeCamera
from worldsim.editing.edits import THINGS, Edit, OnMap, Put, Remove, ThingName

Tool = ThingName | Literal["remove"]
TOOLS: tuple[Tool, ...] = (*THINGS, "remove")
"""What a click does, in the order in which a key goes through them: put a thing, or take away what is there."""
INTO = 0.3
"""What is to be taken away is looked for so far behind the surface that is clicked on [m]."""


def next_tool(tool: Tool | None) -> Tool | None:
    """The tool after `tool`; None steers again."""
    if tool is None:
        return TOOLS[0]
    k = TOOLS.index(tool) + 1
    return TOOLS[k] if k < len(TOOLS) else None


def describe_tool(tool: Tool) -> str:
    """What a click does with it."""
    return "a click takes away what is there" if tool == "remove" else f"a click puts a {tool}"


def edit_at(world: World, camera: PinholeCamera, pixel: tuple[float, float], tool: Tool) -> Edit:
    """The edit that a click on a picture means.

    Args:
        world: whose newest frame it is.
        camera: took it.
        pixel: column and row in the frame.
        tool: what the click does.

    Raises:
        ValueError: nothing is to be seen there, or the world does not tell depths.
    """
    place = place_under(world, camera, pixel, INTO if tool == "remove" else 0.0)
    return Remove(place=place) if tool == "remove" else Put(thing=tool, place=place)


def place_under(world: World, camera: PinholeCamera, pixel: tuple[float, float], into: float = 0.0) -> OnMap:
    """The place that a pixel shows, `into` metres behind its surface.

    Raises:
        ValueError: it shows the sky, or the world does not tell depths.
    """
    if not (isinstance(world, SensorWorld) and isinstance(world, CameraSceneWorld)):
        raise ValueError(f"a {type(world).__name__} does not tell what its pictures show")
    depths: Any = world.sensor_frames(["depth"])["depth"]
    column, row = (int(np.clip(at, 0, size - 1)) for at, size in zip(pixel, depths.shape[::-1], strict=True))
    depth = float(depths[row, column])
    if not np.isfinite(depth):
        raise ValueError("there is only sky; right would be a click on the ground")
    point = camera.unproject(np.array([pixel]), np.array([depth + into]))
    x, y, _ = world.camera_scene().view.to_ground_frame(point)[0].tolist()
    return OnMap(x=x, y=y)

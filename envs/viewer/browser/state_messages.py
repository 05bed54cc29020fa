"""What the server says to the page: what there is, once, and the state of the drive, as JSON; pictures as JPEG."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from envs.viewer import colors
from envs.viewer.commands import ACTIVE_LABELS, BUTTONS, COMMANDS, HELP, LABELS
from envs.viewer.config import PLAY_WORLDS
from envs.viewer.drive_loop import DriveStatus
from envs.viewer.layout import Box
from envs.viewer.overlay import lane_lines, object_lines
from envs.viewer.readouts import drive_line, readouts, speedometer
from envs.viewer.session import Moment
from envs.viewer.top_view import EGO_CORNERS, lane_sides, map_points, object_corners
from envs.worlds import WORLDS
from worldsim.datatypes.route import centreline_of
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind

JPEG_QUALITY = 92
"""Of the pictures, without subsampling of colours."""
FRAME_HEADER = struct.Struct("<IB")
"""Before the JPEG: number of the state it belongs to, index of the world."""
_OF_WINDOW = ("quit",)
"""Commands that the page does not have: a tab is closed by the browser, and the server ended where it was started."""
_UNIT_BOX = Box(0, 0, 0, 1)
"""The top view's points are told in heights of its box, from its middle."""


def hello_message() -> dict[str, Any]:
    """What the page has to know once: commands with their keys, buttons, help, worlds."""
    commands = [command for command in COMMANDS if command.name not in _OF_WINDOW]
    left_out = [command.does for command in COMMANDS if command.name in _OF_WINDOW]
    titles = {name: WORLDS[name].title if name in WORLDS else "Both worlds" for name in PLAY_WORLDS}
    return {
        "kind": "hello",
        "commands": [command._asdict() for command in commands],
        "help": [line for line in HELP if line[2] not in left_out],
        "buttons": [
            {"name": name, "label": LABELS[name], "active_label": ACTIVE_LABELS.get(name, LABELS[name])}
            for name in BUTTONS
        ],
        "worlds": [{"name": name, "title": title} for name, title in titles.items()],
    }


def state_message(number: int, moments: Sequence[Moment], status: DriveStatus) -> dict[str, Any]:
    """The drive as it stands.

    Args:
        number: of this state; its pictures have the same.
        moments: of each world.
        status: of the drive.
    """
    return {
        "kind": "state",
        "number": number,
        "status": {**vars(status), "who_drives": status.who_drives},
        "drive": drive_line(moments[0]) if moments else "",
        "steer": float(moments[0].action[0]) if moments else 0.0,
        "latency": moments[0].latency if moments else 0.0,
        "views": [_view(moment, status) for moment in moments],
    }


def frame_message(number: int, index: int, jpeg: bytes) -> bytes:
    """A picture of the state `number`, of the world `index`."""
    return FRAME_HEADER.pack(number, index) + jpeg


def encode_frame(frame: np.ndarray) -> bytes:
    """A frame, RGB uint8 [h, w, 3], as JPEG."""
    options = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
    assert done
    return data.tobytes()


def color_sheet() -> str:
    """The viewer's colours as variables of a style sheet."""
    named = {name: getattr(colors, name) for name in dir(colors) if name.isupper()}
    tables = {name: color for name, color in named.items() if isinstance(color, tuple)}
    tables |= {f"object-{kind.name}": color for kind, color in colors.OBJECT_COLORS.items()}
    tables |= {f"signal-{kind.name}": color for kind, color in colors.SIGNAL_COLORS.items()}
    lines = [f"  --{name.lower()}: rgb({', '.join(map(str, color))});" for name, color in tables.items()]
    return "\n".join([":root {", *lines, "}", ""])


def _view(moment: Moment, status: DriveStatus) -> dict[str, Any]:
    height, width = moment.frame.shape[:2]
    return {
        "world": moment.world,
        "size": [width, height],
        "speedometer": speedometer(moment.scene)._asdict(),
        "readouts": [
            {**line._asdict(), "signal": "" if line.signal == SignalKind.NONE else line.signal.name.lower()}
            for line in readouts(moment, status.trust_threshold)
        ],
        "ended": moment.ended,
        "trusted": moment.trust >= status.trust_threshold,
        "map": _map(moment.scene),
        "overlay": _overlay(moment) if status.overlay else None,
    }


def _map(scene: SceneState) -> dict[str, Any]:
    """The top view's polygons and lines, [n, 2], in heights of its box."""
    left, right = lane_sides(scene)
    found = len(left) > 0
    return {
        "lane": _points(map_points(np.concatenate([left, right[::-1]]), _UNIT_BOX), 4),
        "route": _points(map_points(centreline_of(scene), _UNIT_BOX), 4) if found else [],
        "objects": [
            {"kind": kind.name.lower(), "corners": _points(map_points(object_corners(pose), _UNIT_BOX), 4)}
            for pose, kind in zip(scene.objects, map(ObjectKind, scene.object_kinds.tolist()), strict=True)
            if kind != ObjectKind.EMPTY
        ],
        "ego": _points(map_points(EGO_CORNERS, _UNIT_BOX), 4),
    }


def _overlay(moment: Moment) -> dict[str, Any]:
    """What is drawn into the picture, in its pixels: the lane, and the objects' boxes with their distances."""
    return {
        "lane": _points(lane_lines(moment.scene, moment.camera), 1),
        "objects": [
            {
                "kind": item.kind.name.lower(),
                "label": f"{item.distance:.0f} m",
                "lines": _points(item.lines, 1),
            }
            for item in object_lines(moment.scene, moment.camera)
            if len(item.lines)
        ],
    }


def _points(points: np.ndarray, digits: int) -> list[Any]:
    return np.round(points, digits).tolist()

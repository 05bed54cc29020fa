"""Maps of Scenic programs: what Scenic passes over in them, and what lies below a place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from envs.maps.opendrive.text import parse_opendrive
from envs.scripted_actors import ActorState
from scenarios.openscenario.network import Network, Pose
from worldsim.datatypes.scene import ObjectKind


def check_map(path: str | Path) -> None:
    """Refuse a map that Scenic would misread.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no OpenDRIVE file, or traffic keeps to the left on a road of it.
    """
    path = Path(path)
    root = parse_opendrive(path.read_text(encoding="utf-8"))
    left = [road.get("id", "") for road in root.iter("road") if road.get("rule") == "LHT"]
    if left:
        raise ValueError(
            f'map {path}: traffic keeps to the left on road {left[0]} (rule="LHT"), one of {len(left)}; Scenic passes '
            f"over the rule and would put everyone on the wrong side. Right would be a map without such roads"
        )


def ground_height(network: Network, x: float, y: float, near_z: float) -> float:
    """Height of the road at a place, on the level nearest to `near_z`; Scenic's maps are flat [m]."""
    if network.map.is_flat:
        return 0.0
    return float(network.map.height_at(np.array([[x, y]]), np.array([near_z]))[0])


def back_in_time(actor: ActorState, network: Network, time: float) -> ActorState:
    """Where a road user was `-time` seconds [s] before, had it come along its lane at its speed; straight on where it
    walks or there is none."""
    if not time or not actor.speed:
        return actor
    back = actor.speed * time
    pose = Pose(actor.s, actor.lateral, actor.heading)
    following = None if actor.kind == ObjectKind.PEDESTRIAN else network.follow(pose)
    if following is None:
        moved = pose.moved(back)
        return replace(actor, s=moved.x, lateral=moved.y)
    following, _ = network.reach_back(following, -back)
    path = network.path(following.lanes)
    s, lateral, path_yaw = path.project(np.array(pose[:2]), following.s)  # lengths of paths are not exact to a metre
    x, y, yaw = path.pose_at(s + following.along * back, lateral, actor.heading - path_yaw)
    return replace(actor, s=float(x), lateral=float(y), heading=float(yaw))

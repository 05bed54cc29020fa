"""Constructed drives for tests of metrics: an ego that drives along x from the origin, and road users beside it."""

from dataclasses import replace

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from worldsim.datatypes.scene import ObjectKind

EGO_LENGTH, EGO_WIDTH = 4.6, 1.9


def travel(speed, dt, num_instants):
    """Speeds [t] of a number or an array, and the way [t] at them."""
    speeds = np.broadcast_to(np.asarray(speed, np.float64), num_instants).copy()
    return speeds, np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2 * dt)])


def braking(speed, deceleration, num_instants, dt=0.1):
    """Speeds [t] of a vehicle that brakes from the first instant until it stands."""
    return np.maximum(speed - deceleration * dt * np.arange(num_instants), 0.0)


def track(x, y, speed, *, yaw=0.0, kind=ObjectKind.CAR, length=4.0, width=2.0):
    """A road user that starts at (x, y) and drives along `yaw`; for `record`."""
    return {"x": x, "y": y, "speed": speed, "yaw": yaw, "kind": kind, "length": length, "width": width}


def record(speed=10.0, *tracks, num_instants=41, dt=0.1, **changes):
    """A drive about which everything is known, in a lane of 3.5 m on a road of 7 m with a limit of 14 m/s."""
    speeds, way = travel(speed, dt, num_instants)
    ego = np.zeros((num_instants, 6))
    ego[:, 0], ego[:, 3], ego[:, 4:] = way, speeds, (EGO_LENGTH, EGO_WIDTH)
    rows = np.zeros((len(tracks), num_instants, 6))
    for k, one in enumerate(tracks):
        speeds_of_one, way_of_one = travel(one["speed"], dt, num_instants)
        rows[k, :, 0] = one["x"] + np.cos(one["yaw"]) * way_of_one
        rows[k, :, 1] = one["y"] + np.sin(one["yaw"]) * way_of_one
        rows[k, :, 2], rows[k, :, 3] = one["yaw"], speeds_of_one
        rows[k, :, 4:] = one["length"], one["width"]
    lane = np.zeros((num_instants, 4))
    lane[:, 2:] = 1.75, 14.0
    no = np.zeros(num_instants, bool)
    known = DriveRecord(
        dt=dt,
        ego=ego,
        ego_acceleration=np.gradient(speeds, dt) if num_instants > 1 else np.zeros(1),
        ego_yaw_rate=np.zeros(num_instants),
        tracks=rows,
        track_known=np.ones((len(tracks), num_instants), bool),
        track_kinds=np.array([one["kind"] for one in tracks], np.int64),
        tracks_complete=True,
        lane=lane,
        lead_gap=np.full(num_instants, np.nan),
        in_junction=no,
        drivable=(np.array([[-50.0, -1.75], [500.0, -1.75], [500.0, 5.25], [-50.0, 5.25]]),),
        contact=None,
        off_road=no,
        wrong_way=no,
        red_light=no,
        stop_sign_missed=no,
        signal_known=~no,
        progress=np.diff(way),
        route_length=float(way[-1]),
        reference_progress=float(way[-1]),
        reference_speed=10.0,
    )
    return replace(known, **changes)


def with_lane(drive, **columns):
    """The drive with other values of the lane: lateral_offset, heading_error, half_width, speed_limit."""
    lane = drive.lane.copy()
    for name, values in columns.items():
        lane[:, ("lateral_offset", "heading_error", "half_width", "speed_limit").index(name)] = values
    return replace(drive, lane=lane)


def turned(drive, angle, shift):
    """The same drive in a ground frame that is turned and shifted."""
    c, s = np.cos(angle), np.sin(angle)
    rotation = np.array([[c, s], [-s, c]])

    def move(states):
        moved = states.copy()
        moved[..., :2] = states[..., :2] @ rotation + shift
        moved[..., 2] = states[..., 2] + angle
        return moved

    drivable = None if drive.drivable is None else tuple(outline @ rotation + shift for outline in drive.drivable)
    plans = None if drive.plans is None else move(drive.plans)
    return replace(drive, ego=move(drive.ego), tracks=move(drive.tracks), drivable=drivable, plans=plans)


def unknown_drive(num_instants=41):
    """A drive of which the ego's own trajectory is known and nothing else."""
    drive = record(10.0, num_instants=num_instants)
    events = ("contact", "off_road", "wrong_way", "red_light", "stop_sign_missed", "signal_known")
    ground, ways = ("in_junction", "drivable"), ("progress", "plans", "route_length")
    nothing = dict.fromkeys((*events, *ground, *ways, "reference_progress", "reference_speed"))
    return replace(
        drive,
        ego_acceleration=np.full(num_instants, np.nan),
        ego_yaw_rate=np.full(num_instants, np.nan),
        tracks_complete=False,
        lane=np.full((num_instants, 4), np.nan),
        **nothing,
    )

"""How fast a policy brings its car back to the lane's centre after a disturbance."""

from __future__ import annotations

import numpy as np

from policies.disturbance import Disturbance
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from worldsim.datatypes.scene import LaneColumn

RECOVERED = 0.25
"""A car is back when it stays this near to the lane's centre [m]."""

RECOVERY_TIME = Metric(name="recovery_time", unit="s", source=f"stays within {RECOVERED} m of the lane's centre")


def recovery_time(record: DriveRecord, disturbance: Disturbance, longest: float) -> MetricValue:
    """Time from the disturbance until the car stays within RECOVERED of the lane's centre [s]; not applicable if the
    drive ended before the car was pushed as far as it should have been.

    Args:
        record: of the drive.
        disturbance: that the car suffered.
        longest: counts for a car that is not back when the drive ends [s]; no time counts more.
    """
    offset = record.lane[:, LaneColumn.LATERAL_OFFSET]
    if not np.isfinite(offset).any():
        return RECOVERY_TIME.unknown("the lane's centre is not known")
    reached = np.flatnonzero(disturbance.reached(offset))
    if not len(reached):
        return RECOVERY_TIME.not_applicable("the car was not pushed as far as it should have been")
    outside = np.flatnonzero(~(np.abs(offset) <= RECOVERED))  # who has lost the lane is not back
    if outside[-1] == len(offset) - 1:
        return RECOVERY_TIME.measured(longest)
    return RECOVERY_TIME.measured(min(longest, float(outside[-1] + 1 - reached[0]) * record.dt))

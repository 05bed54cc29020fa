"""HUGSIM's driving score."""

from __future__ import annotations

import numpy as np

from policies.comfort import comfortable_instants
from scenarios.metrics.comfort import comfort, comfort_signals
from scenarios.metrics.drivable_area import off_drivable_area
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.progress import route_completion
from scenarios.metrics.time_to_collision import TimeToCollisionConfig, time_to_collision

SCORE = Metric(
    name="hugsim_driving_score",
    source="HUGSIM HD-Score: RC·mean of NC·DAC·(5·TTC + 2·C)/7 over time, as driven",
)


def measure_hugsim(record: DriveRecord) -> list[MetricValue]:
    """RC·mean(NC·DAC·(5·TTC + 2·C)/7), in [0, 1], of what was driven; HUGSIM scores the plan of each instant."""
    completion, comfortable = route_completion(record), comfort(record)
    if completion.value is None or comfortable.value is None:
        return [SCORE.unknown(completion.reason or comfortable.reason)]
    off = off_drivable_area(record)
    if off is None or not record.tracks_complete:
        return [SCORE.unknown("the drivable area or the road users are not known")]

    hit = record.overlaps.any(axis=0)
    if record.contact is not None:
        hit = hit | record.contact
    safe = time_to_collision(record) > TimeToCollisionConfig().bound
    soft = (5.0 * safe + 2.0 * comfortable_instants(comfort_signals(record))) / 7.0
    return [SCORE.measured(completion.value * np.mean(~hit * ~off * soft))]

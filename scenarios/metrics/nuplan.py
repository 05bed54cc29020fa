"""nuPlan's closed-loop score of a drive."""

from __future__ import annotations

from scenarios.metrics.collision import no_at_fault_collisions
from scenarios.metrics.comfort import comfort
from scenarios.metrics.direction import measure_direction
from scenarios.metrics.drivable_area import measure_drivable_area
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue, combine
from scenarios.metrics.progress import making_progress, progress_of_expert
from scenarios.metrics.speed_limit import measure_speed_limit
from scenarios.metrics.time_to_collision import within_bound

SCORE = Metric(
    name="nuplan_closed_loop_score",
    source="nuPlan closed-loop YAML: NC·DAC·MP·DDC·(5·EP + 5·TTC + 4·SL + 2·C)/16; its docs weigh DDC by 5 instead",
)


def measure_nuplan(record: DriveRecord) -> list[MetricValue]:
    """NC·DAC·MP·DDC·(5·EP + 5·TTC + 4·SL + 2·C)/16, in [0, 1]."""
    gates = [
        no_at_fault_collisions(record),
        measure_drivable_area(record)[0],
        making_progress(record),
        measure_direction(record)[0],
    ]
    terms = [
        (5.0, progress_of_expert(record)),
        (5.0, within_bound(record)),
        (4.0, measure_speed_limit(record)[0]),
        (2.0, comfort(record)),
    ]
    return [combine(SCORE, gates, terms)]

"""PDM scores of a drive: of the PDM planner, of NAVSIM v1 (PDMS), and of NAVSIM v2 (EPDMS)."""

from __future__ import annotations

from scenarios.metrics.collision import no_at_fault_collisions
from scenarios.metrics.comfort import comfort, extended_comfort
from scenarios.metrics.direction import measure_direction
from scenarios.metrics.drivable_area import measure_drivable_area
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.lane_keeping import measure_lane_keeping
from scenarios.metrics.metric_value import Metric, MetricValue, combine
from scenarios.metrics.progress import progress_of_reference
from scenarios.metrics.signal_violations import traffic_light_compliance
from scenarios.metrics.time_to_collision import within_navsim_bound

PDM_SCORE = Metric(
    name="pdm_score",
    source="PDM scorer (Dauner et al. 2023): NC·DAC·DDC·(5·EP + 5·TTC + 2·C)/12, one drive in closed loop",
)
PDMS = Metric(
    name="pdms", source="NAVSIM v1 PDMS (Dauner et al. 2024): NC·DAC·(5·TTC + 5·EP + 2·C)/12, one drive in closed loop"
)
EPDMS = Metric(
    name="epdms",
    source="NAVSIM v2 EPDMS: NC·DAC·DDC·TLC·(5·TTC + 5·EP + 2·LK + 2·HC + 2·EC)/16, one drive in closed loop, without "
    "the filter of what the human did as well; HC is nuPlan's comfort",
)


def measure_pdm(record: DriveRecord) -> list[MetricValue]:
    """All three scores, each in [0, 1]."""
    return [pdm_score(record), pdms(record), epdms(record)]


def pdm_score(record: DriveRecord) -> MetricValue:
    """NC·DAC·DDC·(5·EP + 5·TTC + 2·C)/12."""
    return combine(PDM_SCORE, [*_safe(record), measure_direction(record)[0]], _terms(record))


def pdms(record: DriveRecord) -> MetricValue:
    """NC·DAC·(5·TTC + 5·EP + 2·C)/12."""
    return combine(PDMS, _safe(record), _terms(record))


def epdms(record: DriveRecord) -> MetricValue:
    """NC·DAC·DDC·TLC·(5·TTC + 5·EP + 2·LK + 2·HC + 2·EC)/16."""
    gates = [*_safe(record), measure_direction(record)[0], traffic_light_compliance(record)]
    more = [(2.0, measure_lane_keeping(record)[0]), (2.0, extended_comfort(record))]
    return combine(EPDMS, gates, [*_terms(record), *more])


def _safe(record: DriveRecord) -> list[MetricValue]:
    return [no_at_fault_collisions(record), measure_drivable_area(record)[0]]


def _terms(record: DriveRecord) -> list[tuple[float, MetricValue]]:
    return [(5.0, progress_of_reference(record)), (5.0, within_navsim_bound(record)), (2.0, comfort(record))]

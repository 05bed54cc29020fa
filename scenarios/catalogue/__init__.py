"""The catalogue of scenarios, a file a kind. Commands, reports and tests read SCENARIOS.

To add one, write its function in the file of its kind, in the order of reports. Ranges follow the ASAM OSC-ALKS reading
of UN R157 annex 5 and Euro NCAP's kinds of encounters, within what the towns' streets allow.
"""

# isort: off  (the order is that of reports)
from scenarios.catalogue import free_driving, lane_changes, longitudinal, pedestrians  # noqa: F401

# isort: on
from scenarios.catalogue.registry import SCENARIOS, scenario, scenarios_tagged

__all__ = ["SCENARIOS", "scenario", "scenarios_tagged"]

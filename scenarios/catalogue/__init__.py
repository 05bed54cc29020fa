"""The catalogue of scenarios, a file a kind. Commands, reports and tests read SCENARIOS.

To add one, write its function in the file of its kind; scenarios stand in reports as the files are imported here.
Ranges follow the ASAM OSC-ALKS reading of UN R157 annex 5 and Euro NCAP's kinds of encounters, within what the towns'
streets allow.
"""

# isort: off
from scenarios.catalogue import longitudinal  # noqa: F401
from scenarios.catalogue import lane_changes  # noqa: F401
from scenarios.catalogue import pedestrians  # noqa: F401
from scenarios.catalogue import signals  # noqa: F401
from scenarios.catalogue import junctions  # noqa: F401
from scenarios.catalogue import roads  # noqa: F401
from scenarios.catalogue import weather  # noqa: F401
from scenarios.catalogue import free_driving  # noqa: F401

# isort: on
from scenarios.catalogue.registry import SCENARIOS, scenario, scenarios_tagged

__all__ = ["SCENARIOS", "scenario", "scenarios_tagged"]

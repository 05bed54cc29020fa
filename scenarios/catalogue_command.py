"""`drivedit scenarios`: the catalogue as a list, or its cases as OpenSCENARIO files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envs.worlds import WORLDS
from scenarios.catalogue import SCENARIOS
from scenarios.openscenario.export import record_case, why_not_exported, write_case
from scenarios.scenario_choice import ScenarioNames, check_scenarios, is_scenario_file
from scenarios.start_clips import InvalidStartError
from worldsim.option_checks import check_options


@dataclass(frozen=True, kw_only=True)
class ScenariosConfig:
    """List the scenarios, or write cases of them as OpenSCENARIO files.

    Args:
        scenarios: names in the catalogue; by default all.
        export: folder that gets an .xosc file a case and the .xodr files of their maps; without it they are listed.
        num_seeds: cases a scenario that are written.
        first_seed: seeds are first_seed, first_seed + 1, ...

    Raises:
        ValueError: a number is out of its range, or a scenario is none of the catalogue.
    """

    scenarios: ScenarioNames = tuple(SCENARIOS)
    export: Path | None = None
    num_seeds: int = 1
    first_seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        for name, least in (("num_seeds", 1), ("first_seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        check_scenarios(self.scenarios)
        files = [name for name in self.scenarios if is_scenario_file(name)]
        if files:
            raise ValueError(f"scenarios must be of the catalogue here, got the file {files[0]}")


def show_scenarios(config: ScenariosConfig) -> None:
    """Print the scenarios, or write their cases; what cannot be written is said with its reason."""
    if config.export is None:
        for name in config.scenarios:
            print(f"{name:<28} {SCENARIOS[name].title}: {SCENARIOS[name].description}")
        return
    env, written = WORLDS["road"].make(obs="state"), 0
    for name in config.scenarios:
        for seed in range(config.first_seed, config.first_seed + config.num_seeds):
            case = SCENARIOS[name].draw(seed)
            reason = why_not_exported(case)
            if not reason:
                try:
                    path = write_case(case, record_case(env, case), config.export)
                except InvalidStartError as error:
                    reason = str(error)
                else:
                    print(path)
                    written += 1
            if reason:
                print(f"not written: {case.id}: {reason}")
    env.close()
    print(f"{written} scenario files in {config.export}")

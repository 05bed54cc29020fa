"""case.json: a case that a search found, from which it is driven again wherever one likes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.catalogue import SCENARIOS
from scenarios.falsification.actor_controls import ActorControls
from scenarios.falsification.runs import SearchRun
from scenarios.falsification.search_space import PLACE, SearchSpace
from scenarios.report import write_json
from scenarios.scenario import Case

if TYPE_CHECKING:
    from scenarios.falsification.falsify_config import FalsifyConfig

SCHEMA = "drivedit.case/1"
"""Name and version of the file; a change that its readers must know of counts up."""


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """A case by the values of its parameters.

    Args:
        scenario: name.
        seed: of its place.
        values: of the parameters, and of the controls of the key actor.
        controls: of the key actor; None leaves it to its script.
        policy: that failed.
        digests: SHA-256 of its drives, by the world.
    """

    scenario: str
    seed: int
    values: Mapping[str, float]
    controls: ActorControls | None
    policy: str
    digests: Mapping[str, str]

    @staticmethod
    def of(config: FalsifyConfig, run: SearchRun, digests: Mapping[str, str]) -> CaseFile:
        """That of a run."""
        return CaseFile(
            scenario=config.scenario,
            seed=run.seed,
            values={name: value for name, value in run.values.items() if name != PLACE},
            controls=config.controls(),
            policy=config.policy,
            digests=digests,
        )

    def case(self) -> Case:
        """The case.

        Raises:
            ValueError: there is no such scenario any more, or a value does not fit it.
        """
        if self.scenario not in SCENARIOS:
            raise ValueError(f"no scenario is named {self.scenario!r}; there are {', '.join(SCENARIOS)}")
        space = SearchSpace(scenario=SCENARIOS[self.scenario], seeds=(self.seed,), controls=self.controls)
        return space.case_of(dict(self.values))

    def write(self, path: Path) -> None:
        """Write the file."""
        write_json(path, {"schema": SCHEMA, **asdict(self)})

    @staticmethod
    def read(path: Path) -> CaseFile:
        """The file of `write`.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is none, or of another schema.
        """
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            schema = plain.pop("schema", None)
            if schema != SCHEMA:
                raise ValueError(f"its schema is {schema!r}, not {SCHEMA!r}")
            controls = plain.pop("controls")
            return CaseFile(**plain, controls=None if controls is None else ActorControls(**controls))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is no case.json of a counterexample: {error}") from error

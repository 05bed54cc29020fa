"""Results as JUnit XML, which build servers show: a suite for each scenario, a test for each case and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from scenarios.case_results import MEASURING_BROKE, WORLD_BROKE, CaseResult
from scenarios.verdict import Decision
from worldsim.atomic_files import atomic_path


def write_junit(path: Path, name: str, results: Mapping[str, Sequence[CaseResult]], decision: Decision) -> None:
    """Write the file.

    A FAIL is a failure; a broken policy and an inconclusive verdict are errors; an invalid case is skipped, and the
    verdict says whether too many are.

    Args:
        path: of the file.
        name: of all of it.
        results: of each scenario.
        decision: the verdict.
    """
    root = ElementTree.Element("testsuites", name=name)
    for scenario, of_one in results.items():
        suite = _suite(root, scenario)
        for result in of_one:
            _add_case(suite, result)
        _count(suite)
    suite = _suite(root, "verdict")
    test = _test(suite, "verdict", "failure rate", 0.0)
    if decision.verdict != "PASS":
        kind = "failure" if decision.verdict == "FAIL" else "error"
        node = ElementTree.SubElement(
            test, kind, type=decision.verdict, message=_printable("; ".join(decision.reasons))
        )
        node.text = _printable("\n".join(map(str, decision.criteria)))
    _count(suite)
    for counted in ("tests", "failures", "errors", "skipped"):
        root.set(counted, str(sum(int(suite.get(counted, "0")) for suite in root)))
    ElementTree.indent(root)
    with atomic_path(path) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def _add_case(suite: ElementTree.Element, result: CaseResult) -> None:
    test = _test(suite, result.scenario, f"seed {result.seed}", result.seconds)
    parameters = ", ".join(f"{name} = {value:g}" for name, value in result.parameters.items())
    text = "\n".join([parameters, *map(str, result.criteria), result.details])
    if result.broken or result.outcome in (WORLD_BROKE, MEASURING_BROKE):
        node = ElementTree.SubElement(test, "error", type=result.outcome, message=_printable(result.reason))
        node.text = _printable(text)
    elif result.failed:
        unmet = [str(criterion) for criterion in result.criteria if not criterion.met]
        node = ElementTree.SubElement(test, "failure", type=result.outcome, message=_printable("; ".join(unmet)))
        node.text = _printable(text)
    elif not result.valid:
        ElementTree.SubElement(test, "skipped", message=_printable(f"INVALID: {result.reason}"))


def _suite(root: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(root, "testsuite", name=name)


def _test(suite: ElementTree.Element, group: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=f"drivedit.{group}", name=name, time=f"{seconds:.1f}")


def _count(suite: ElementTree.Element) -> None:
    for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(counted, str(sum(test.find(tag) is not None for test in suite)))
    suite.set("tests", str(len(suite)))


def _printable(text: str) -> str:
    """Without the characters that XML cannot hold; a policy's message may have any."""
    return "".join(c for c in text if c in "\t\n" or c.isprintable())

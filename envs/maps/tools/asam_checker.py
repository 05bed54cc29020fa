"""ASAM's own quality checker for OpenDRIVE, run as the command `qc_opendrive` where it is installed.

It pins numpy below 2, so it lives in an environment of its own: `pipx install asam-qc-opendrive`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

COMMAND = "qc_opendrive"
HOW_TO_INSTALL = f"ASAM's checker is not installed; `pipx install asam-qc-opendrive` puts {COMMAND} on your PATH"
_TIMEOUT = 600.0  # [s]
_LEVELS = {"1": "error", "2": "warning", "3": "information"}


@dataclass(frozen=True, kw_only=True)
class AsamFinding:
    """A breach of one of ASAM's rules.

    Args:
        rule: its name, such as "xml.valid_schema".
        level: "error", "warning" or "information".
        message: what is wrong.
        place: line of the file or path of the element, "" where the checker names none.
    """

    rule: str
    level: str
    message: str
    place: str


@dataclass(frozen=True, kw_only=True)
class AsamReport:
    """What the checker found.

    Args:
        findings: breaches, in its order.
        completed: rules that were checked.
        skipped: rules that were not, with the reason.
        failed: rules on which the checker itself failed, with its message.
    """

    findings: tuple[AsamFinding, ...]
    completed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]


def run_asam_checker(path: Path) -> AsamReport | None:
    """ASAM's findings on an OpenDRIVE file; None where the checker is not installed.

    Raises:
        ValueError: the checker ends without a result.
    """
    command = shutil.which(COMMAND)
    if command is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        config, result = Path(folder, "config.xml"), Path(folder, "result.xqar")
        root = ET.Element("Config")
        ET.SubElement(root, "Param", name="InputFile", value=str(path.resolve()))
        bundle = ET.SubElement(root, "CheckerBundle", application="xodrBundle")
        ET.SubElement(bundle, "Param", name="resultFile", value=str(result))
        config.write_bytes(ET.tostring(root))
        try:
            child = subprocess.run(
                [command, "-c", str(config)], cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"{COMMAND} took more than {_TIMEOUT:g} s on {path}") from error
        if not result.is_file():
            last = (child.stderr.strip() or "no message").splitlines()[-1]
            raise ValueError(f"{COMMAND} ended without a result on {path}: {last}")
        return read_result(result.read_text(encoding="utf-8"))


def read_result(text: str) -> AsamReport:
    """The report in the text of an .xqar file."""
    findings: list[AsamFinding] = []
    by_status: dict[str, list[tuple[str, str]]] = {"completed": [], "skipped": [], "error": []}
    for checker in ET.fromstring(text).iter("Checker"):
        rule = checker.find("AddressedRule")
        name = _rule_name(checker.get("checkerId", "") if rule is None else rule.get("ruleUID", ""))
        by_status.setdefault(checker.get("status", ""), []).append((name, checker.get("summary", "")))
        findings += [_read_issue(issue) for issue in checker.iter("Issue")]
    return AsamReport(
        findings=tuple(findings),
        completed=tuple(name for name, _ in by_status["completed"]),
        skipped=tuple((name, why.split(" Skip the check")[0]) for name, why in by_status["skipped"]),
        failed=tuple(by_status["error"]),
    )


def _rule_name(uid: str) -> str:
    """The last part of "asam.net:xodr:1.0.0:xml.valid_schema"."""
    return uid.rpartition(":")[2]


def _read_issue(issue: ET.Element) -> AsamFinding:
    said = [issue.get("description", ""), *(place.get("description", "") for place in issue.iter("Locations"))]
    lines = [f"line {place.get('row')}" for place in issue.iter("FileLocation")]
    paths = [place.get("xpath", "") for place in issue.iter("XMLLocation")]
    return AsamFinding(
        rule=_rule_name(issue.get("ruleUID", "")),
        level=_LEVELS.get(issue.get("level", ""), issue.get("level", "")),
        message=next((text for text in reversed(said) if text), "no message"),
        place=next(iter([*lines, *paths]), ""),
    )

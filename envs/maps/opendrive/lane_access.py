"""Who may use a lane: its <access> elements, as far as they concern cars."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET

from envs.maps.opendrive.text import read_number

_CARS = {"passengercar", "autonomoustraffic", "simulator", "throughtraffic"}
"""Of whom an "allow" lets cars in; simulator is the ego of a driving simulator."""


def keeps_cars_out(lane: ET.Element, where: str) -> bool:
    """Whether no car may use a lane, by what holds from its beginning on.

    "allow" admits those it names and nobody else, "deny" (also where no rule is written, as up to version 1.4) keeps
    those it names out. What changes for cars further on is named in a warning and not read.

    Args:
        lane: the element.
        where: for messages.

    Raises:
        ValueError: an offset is no number, or a rule neither allow nor deny.
    """
    rules: dict[float, tuple[set[str], set[str]]] = {}
    for access in lane.findall("access"):
        names = {child.get("type", "").lower() for child in access.findall("restriction")}
        names |= {access.get("restriction", "").replace(" ", "").lower()}
        rule = access.get("rule", "deny").strip().lower()
        if rule not in ("allow", "deny"):
            raise ValueError(f"{where}: <access> has rule={rule!r}; it must be allow or deny")
        allowed, denied = rules.setdefault(read_number(access, "sOffset", where, 0.0), (set(), set()))
        (allowed if rule == "allow" else denied).update(names - {"", "none"})
    if not rules:
        return False
    out = [
        bool(allowed and not allowed & _CARS) or "passengercar" in denied
        for _, (allowed, denied) in sorted(rules.items())
    ]
    from_the_start = out[0] and min(rules) < 1.0
    if len(set(out)) > 1 or (out[0] and not from_the_start):
        taken = "kept from cars" if from_the_start else "taken as a lane for cars"
        warnings.warn(f"{where}: <access> for cars changes along it; all of it is {taken}", stacklevel=2)
    return from_the_start

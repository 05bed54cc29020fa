"""OpenDRIVE text to elements: any encoding, prolog and namespace, and numbers with a message that names the element."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

_BEFORE_PROLOG = re.compile(r"\A(?:\ufeff|\s|<!--.*?-->)*(?=<\?xml)", re.DOTALL)
_PROLOG = re.compile(r"\A<\?xml[^>]*\?>")
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
_INTEGER = re.compile(r"\s*[+-]?\d{1,18}\s*")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_opendrive_file(path: Path) -> str:
    """The text of a file in the encoding that it declares; UTF-8 where it declares none or an unknown one."""
    data = path.read_bytes()
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    declared = _ENCODING.search(data[:4096])
    try:
        return data.decode(declared[1].decode("ascii") if declared else "utf-8", errors="replace")
    except LookupError:
        return data.decode("utf-8", errors="replace")


def parse_opendrive(text: str) -> ET.Element:
    """The root element without namespaces, whatever stands before the root.

    Raises:
        ValueError: not XML, with line and column, or not OpenDRIVE.
    """
    start = _BEFORE_PROLOG.match(text)
    skipped = start.end() if start else 0
    body = _PROLOG.sub(lambda prolog: "\n" * prolog[0].count("\n"), text[skipped:], count=1)
    # the lines that were skipped are kept empty, so that messages give the file's own line numbers
    body = "\n" * text[:skipped].count("\n") + body.lstrip("\ufeff")
    try:
        root = ET.fromstring(body)
    except (ET.ParseError, ValueError) as error:
        what = str(error).replace("not well-formed (invalid token)", "invalid token")
        cut_off = what.startswith(("unclosed", "no element found"))
        raise ValueError(f"not well-formed XML: {what}{'; is the file cut off?' if cut_off else ''}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag.lower() != "opendrive":
        raise ValueError(f"the root element is <{root.tag}>, an OpenDRIVE map begins with <OpenDRIVE>")
    return root


def read_number(
    element: ET.Element, name: str, where: str, default: float | None = None, *, least: float = -math.inf
) -> float:
    """A numeric attribute, in any notation that XSD's double has.

    Args:
        element: it belongs to.
        name: of the attribute.
        where: what holds the element, for messages: "road 12".
        default: where the attribute is missing or empty; None requires it.
        least: smallest value allowed.

    Raises:
        ValueError: missing, no finite number, or too small.
    """
    text = element.get(name)
    if default is not None and (text is None or not text.strip()):
        return default
    value = float(text) if text is not None and _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value) or value < least:
        bound = "a finite number" if least == -math.inf else f"a finite number of at least {least:g}"
        given = f"no {name}" if text is None else f"{name}={text!r}"
        raise ValueError(f"{where}: <{element.tag}> has {given}; it must be {bound}")
    return value


def read_integer(element: ET.Element, name: str, where: str) -> int:
    """An attribute that is a whole number.

    Raises:
        ValueError: missing, or not whole.
    """
    text = element.get(name, "")
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{where}: <{element.tag}> has {name}={text!r}; it must be a whole number")
    return int(text)

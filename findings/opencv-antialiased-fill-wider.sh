#!/usr/bin/env bash
# cv2.fillPoly with lineType=LINE_AA draws a polygon about 1.4 px wider than it is, however wide it is: where smooth edges are to
# say how much of a pixel is covered, an upright line 1.5 px wide covers nearly twice its area. Level edges moreover come to lie on
# whole rows, whatever `shift` says. LINE_8 fills every pixel that the outline touches, about 1 px more in the mean.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for release in 4.12.0.88:2.2.6 5.0.0.93:2.4.6; do
  python3 -m venv "$folder/${release%:*}"
  "$folder/${release%:*}/bin/pip" install --quiet --disable-pip-version-check \
    "opencv-python-headless==${release%:*}" "numpy==${release#*:}"
done

cat >"$folder/draw.py" <<'PYTHON'
import sys

import cv2
import numpy as np

FRACTION_BITS = 5
WIDTHS = (1.5, 3.25, 10.5, 20.0, 40.0)
LENGTH = 60.0
CORNERS = (30.0, 30.0), (30.5, 30.5), (30.25, 30.75)


def drawn(width, corner, line_type, upright):
    """How wide a strip is, by the coverage of the pixels across its middle [px]."""
    x, y = corner
    outline = np.array([[x, y], [x + width, y], [x + width, y + LENGTH], [x, y + LENGTH]])
    outline = outline if upright else outline[:, ::-1]
    image = np.zeros((120, 120), np.uint8)
    cv2.fillPoly(image, [np.rint(outline * (1 << FRACTION_BITS)).astype(np.int32)], 255, line_type, FRACTION_BITS)
    middle = int(y + LENGTH / 2)
    return (image[middle] if upright else image[:, middle]).sum() / 255.0


def on_whole_rows(width, start):
    """The width once both edges are rounded to whole pixels."""
    return np.floor(start + width + 0.5) - np.floor(start + 0.5)


cases = [(width, corner) for width in WIDTHS for corner in CORNERS]
upright = np.array([drawn(width, corner, cv2.LINE_AA, True) - width for width, corner in cases])
level = np.array([drawn(width, corner, cv2.LINE_AA, False) - width for width, corner in cases])
level_rounded = level - [on_whole_rows(width, corner[0]) - width for width, corner in cases]
jagged = np.array([drawn(width, corner, cv2.LINE_8, True) - width for width, corner in cases])
print(f"cv2 {cv2.__version__}, strips {', '.join(f'{width:g}' for width in WIDTHS)} px wide at three places each")
print("expected with LINE_AA: 0 px wider, for the pixels on an edge share what is covered")
for name, seen in (
    ("LINE_AA, upright", upright),
    ("LINE_AA, level", level),
    ("LINE_AA, level, against edges on whole rows", level_rounded),
    ("LINE_8, upright", jagged),
):
    print(f"seen with {name}: {seen.min():.2f} to {seen.max():.2f} px wider, {seen.mean():.2f} in the mean")
smooth = np.concatenate([upright, level_rounded])
sys.exit(0 if 1.3 < smooth.min() <= smooth.max() < 1.5 and abs(jagged.mean() - 1) < 0.1 else 1)
PYTHON
for release in 4.12.0.88:2.2.6 5.0.0.93:2.4.6; do
  "$folder/${release%:*}/bin/python" "$folder/draw.py"
done

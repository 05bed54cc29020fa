"""Pictures of docs/generative.md, from what `drivedit evaluate-generator` wrote of two generators or more:

    python docs/make_generators.py --quality runs/quality

`digits`: samples of each generator at its first sampler and every guidance; `guidance.png` is the evaluation's plot.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from picture_files import IMAGES, MOST_BYTES, compress

from training.data.lerobot_layout import read_json
from training.generative.tradeoff import model_name
from worldsim.atomic_files import atomic_path

PICTURES = ("digits",)
PLOT = "guidance.png"
ENLARGED = 3
"""Times."""
TITLE_HEIGHT = 26
"""Above the samples of a setting [px]."""


@dataclass(frozen=True, kw_only=True)
class GeneratorPicturesConfig:
    """What to make, of what.

    Args:
        quality: out folder of the evaluation.
        out: folder for the pictures.
    """

    quality: Path
    out: Path = IMAGES


def make_generators(config: GeneratorPicturesConfig) -> None:
    """Make and write both, each whole or not at all.

    Raises:
        ValueError: the evaluation is not there, or samples of a setting are not; names the file.
    """
    settings = read_json(config.quality / "quality.json")["settings"]
    first = {setting["model"]: setting["sampling"] for setting in reversed(settings)}
    rows = [
        np.concatenate([_titled(s, config.quality) for s in settings if (s["model"], s["sampling"]) == row], axis=1)
        for row in reversed(first.items())
    ]
    config.out.mkdir(parents=True, exist_ok=True)
    with atomic_path(config.out / "digits.jpg") as unfinished:
        unfinished.write_bytes(compress(np.concatenate(rows), ".jpg", MOST_BYTES[".jpg"]))
    with atomic_path(config.out / PLOT) as unfinished:
        shutil.copyfile(config.quality / "tradeoff.png", unfinished)


def _titled(setting: dict, quality: Path) -> np.ndarray:
    """RGB, uint8 [h, w, 3]: samples of a setting under its name."""
    path = quality / f"{setting['samples']}.png"
    sheet = cv2.imread(str(path))
    if sheet is None:
        raise ValueError(f"cannot read {path}")
    sheet = sheet[..., ::-1].repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    title = np.full((TITLE_HEIGHT, sheet.shape[1], 3), 255, np.uint8)
    text = f"{model_name(setting['model'])}, guidance {setting['guidance']:g}"
    cv2.putText(title, text, (4, TITLE_HEIGHT - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    return np.concatenate([title, sheet])


if __name__ == "__main__":
    make_generators(tyro.cli(GeneratorPicturesConfig, description=__doc__))

"""A film of a foreign driver, made anew: `python docs/make_drivers.py`. Needs the extra alpasim, no display.

`drivers`: the route follower of carla-driver-interface, which knows nothing of us, asked over gRPC by
`--policy alpasim:HOST:PORT`, from one start in the learned world (left) and in the reference world.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import tyro
from picture_files import PicturesConfig, write_pictures

import drivedit

Name = Literal["drivers"]
SEED, STEPS, SIDE, GAP = 1, 120, 224, 4
"""Start of the reference world, steps, size of a picture and between the two [px]."""


@dataclass(frozen=True, kw_only=True)
class DriversConfig(PicturesConfig):
    """What to make; `only` takes these and no others."""

    only: tuple[Name, ...] = get_args(Name)


def drivers(config: DriversConfig) -> np.ndarray:
    """The learned world's frames beside the reference world's; [t, h, w, 3]."""
    from carla_driver_interface.policies import load_policy
    from carla_driver_interface.server import serving

    reference = drivedit.make_road_env(obs="pixels")
    learned = drivedit.make_learned_env(checkpoint=config.checkpoint, obs="pixels")
    with serving(load_policy("route_follower"), port=0, host="127.0.0.1") as port:
        policy = drivedit.make_policy(f"alpasim:127.0.0.1:{port}")
        true = drivedit.drive(reference, policy, SEED, max_steps=STEPS)
        made = drivedit.drive(learned, policy, SEED, {"start_clip": true.clip}, max_steps=STEPS)
    num = min(len(true.frames), len(made.frames))
    return np.stack([beside(made.frames[k], true.frames[k]) for k in range(num)])


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two frames, larger, [SIDE, 2 SIDE + GAP, 3]."""
    large = [cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for frame in (left, right)]
    return np.concatenate([large[0], np.full((SIDE, GAP, 3), 255, np.uint8), large[1]], axis=1)


PICTURES = {"drivers": drivers}


def make_drivers(config: DriversConfig) -> None:
    """Make and write them, each whole or not at all."""
    write_pictures(PICTURES, config)


if __name__ == "__main__":
    make_drivers(tyro.cli(DriversConfig, description=__doc__))

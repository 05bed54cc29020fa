"""What `drivedit play` drives, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envs.worlds import LOCAL_WORLDS, LocalWorldName
from worldsim.option_checks import check_options

PLAY_WORLDS = (*LOCAL_WORLDS, "both")
"""What can be driven."""


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """What to drive and how.

    Args:
        world: the learned world, the reference world it was learned from, or both: the start is the reference world's,
            and the learned world goes on from it under the same controls.
        seed: seed of the first drive.
        policy: name of a policy that drives until you take over with M; none by default. Of both worlds it sees the
            reference world.
        allow_pickle: policy `sb3` may load its file, which can run any code: only one whose maker you trust.
        checkpoint: learned world to drive; the shipped one by default.
        num_sampling_steps: of a frame of the learned world; 1 is the fastest, None takes the model's own.
        endless: in the learned world the road goes on without end, through a made town.
        maps: OpenDRIVE files, or folders of them, for the reference world: the drive begins on the first, digits
            take the others. Procedural towns by default.
        trust_threshold: a picture that is trusted less gets a red border, [0, 1]; the drive goes on.
        pace: time in the world over time on the wall at the start; below 1 is slow motion, and beyond what the machine
            can do it goes as fast as it can.
        window: width and height of the window at the start, in units of `scale` [px].
        scale: size of the window, its text and its instruments; by default 1, and larger on a large screen.
        output: folder for videos and screenshots.
        screenshot: save the window here as PNG after `steps` steps, and quit.
        steps: steps before the screenshot.
        browser: drive in a page that this machine's browsers show, instead of a window; its address is printed.
        port: of the page, 0 for any that is free.

    Raises:
        ValueError: a port, window, scale, threshold or number of steps that cannot be, or an option of the other world.
    """

    world: LocalWorldName | Literal["both"] = "learned"
    seed: int = 0
    policy: str | None = None
    allow_pickle: bool = False
    checkpoint: Path | None = None
    num_sampling_steps: int | None = None
    endless: bool = False
    maps: tuple[Path, ...] = ()
    trust_threshold: float = 0.5
    pace: float = 1.0
    window: tuple[int, int] = (1120, 780)
    scale: float | None = None
    output: Path = Path("runs/play")
    screenshot: Path | None = None
    steps: int = 50
    browser: bool = False
    port: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        if min(self.window) < 200:
            raise ValueError(f"the window must be at least 200 x 200 px, got {self.window}")
        if self.scale is not None and not 0.5 <= self.scale <= 4:
            raise ValueError(f"scale must be in [0.5, 4], got {self.scale}")
        if not 0 <= self.trust_threshold <= 1:
            raise ValueError(f"trust_threshold must be in [0, 1], got {self.trust_threshold}")
        if not self.pace > 0:
            raise ValueError(f"pace must be positive, got {self.pace}")
        if self.steps < 0:
            raise ValueError(f"steps must not be negative, got {self.steps}")
        if self.maps and self.world == "learned":
            raise ValueError("a map is for the reference world: add --world road or --world both")
        if self.endless and self.world != "learned":
            raise ValueError(f"endless drives are the learned world's alone: leave out --world {self.world}")
        if self.checkpoint is not None and self.world == "road":
            raise ValueError("a checkpoint is for the learned world: leave out --world road")
        if self.num_sampling_steps is not None and self.world == "road":
            raise ValueError("sampling steps are for the learned world: leave out --world road")
        if self.port and not self.browser:
            raise ValueError("a port is for the page: add --browser")
        if self.browser and (self.screenshot is not None or self.scale is not None):
            raise ValueError("screenshot and scale are for the window: leave out --browser")

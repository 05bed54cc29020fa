"""docs/maps.md: which public OpenDRIVE files the reference world can drive, by driving them; nobody edits it by hand.

    python docs/make_maps.py --scenariogeneration FOLDER --esmini FOLDER --esmini-tests FOLDER --carla FOLDER
    python docs/make_maps.py                     # renders again from what docs/results/maps.json holds

Each file is entered in DriveDiT-Road-v0 and driven 50 steps by the lane follower. A set that is given replaces what is
kept of it; the page says where its files are from. Pictures of ten of the maps go into docs/images/maps.jpg.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from tqdm import tqdm

from envs.driving_env import DrivingEnv
from envs.maps.map_files import MapFile, find_maps
from envs.maps.map_picture import draw_map
from envs.maps.opendrive_text import parse_opendrive
from envs.maps.road_map import RoadMap, load_map
from envs.maps.sign_codes import SignalType
from envs.registration import make_road_env
from policies.drive import Rollout, drive
from policies.rule_based import LaneFollower

DOCS = Path(__file__).parent
PAGE_NAME, RESULTS_NAME, PICTURE_NAME = "maps.md", "results/maps.json", "images/maps.jpg"
NUM_STEPS = 50
PICTURED = (
    "full_junction",
    "junction_with_signals",
    "highway_example_with_merge_and_split",
    "direct_junction_creator",
    "fabriksgatan",
    "multi_intersections",
    "soderleden",
    "two_plus_one",
    "highway_split_lht",
    "Town03",
)
"""Maps on the contact sheet, by name."""
_TILE = (320, 300)
"""Width and height of a picture on the contact sheet [px]."""
_COLUMNS = 5


@dataclass(frozen=True, kw_only=True)
class MapSet:
    """Files of one origin.

    Args:
        title: of its table.
        source: where to get the files from, as Markdown.
    """

    title: str
    source: str


SETS = {
    "scenariogeneration": MapSet(
        title="scenariogeneration's examples",
        source="`examples/xodr/*.py` of [pyoscx/scenariogeneration](https://github.com/pyoscx/scenariogeneration) at "
        "`debb300`, each run once with scenariogeneration 0.16.7, which writes its .xodr file.",
    ),
    "esmini": MapSet(
        title="esmini's resources/xodr",
        source="`resources/xodr` of [esmini/esmini](https://github.com/esmini/esmini) at `77028d8`.",
    ),
    "esmini_tests": MapSet(
        title="esmini's unit tests",
        source="`EnvironmentSimulator/Unittest/xodr` of [esmini/esmini](https://github.com/esmini/esmini) "
        "at `77028d8`.",
    ),
    "carla": MapSet(
        title="CARLA's towns",
        source="Town01 to Town07 and Town10HD, as "
        "[BerkeleyLearnVerify/Scenic](https://github.com/BerkeleyLearnVerify/Scenic) has them at `7529c3e`.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class MapsConfig:
    """Where the files are; what is not given stays as it was measured.

    Args:
        scenariogeneration: folder of the files that scenariogeneration's examples write.
        esmini: folder with esmini's resources/xodr.
        esmini_tests: folder with esmini's EnvironmentSimulator/Unittest/xodr.
        carla: folder of CARLA's towns.
        docs: folder of the page.
    """

    scenariogeneration: Path | None = None
    esmini: Path | None = None
    esmini_tests: Path | None = None
    carla: Path | None = None
    docs: Path = DOCS

    def folders(self) -> dict[str, Path]:
        """The folders that are given, by the name of their set."""
        given = {name: getattr(self, name) for name in SETS}
        return {name: folder for name, folder in given.items() if folder is not None}


@dataclass(frozen=True, kw_only=True)
class MapRow:
    """What became of a file.

    Args:
        name: of the map.
        digest: of its file.
        roads: in it.
        lanes: for driving; 0 where the map is refused.
        lights: traffic lights that stop somebody.
        signs: stop and yield signs that stop somebody.
        driven: whether the steps were driven, or the road's end was reached before, with the lane kept.
        outcome: in words.
    """

    name: str
    digest: str
    roads: int
    lanes: int
    lights: int
    signs: int
    driven: bool
    outcome: str


def make_maps(config: MapsConfig) -> None:
    """Drive the maps that are given, keep what became of them, and write the page and the contact sheet."""
    kept = config.docs / RESULTS_NAME
    results = json.loads(kept.read_text()) if kept.is_file() else {}
    env = make_road_env(obs="state")
    pictures: dict[str, np.ndarray] = {}
    for name, folder in config.folders().items():
        rows = []
        for file in tqdm(find_maps([folder]), desc=name, unit="map"):
            rows.append(drive_map(env, file))
            if file.name in PICTURED and rows[-1].lanes:
                pictures[file.name] = _tile(load_quietly(file), file.name)
        results[name] = [asdict(row) for row in rows]
    env.close()
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(results, indent=1) + "\n")
    (config.docs / PAGE_NAME).write_text(render(results))
    if len(pictures) == len(PICTURED):
        path = config.docs / PICTURE_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet([pictures[name] for name in PICTURED])
        cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])


def load_quietly(file: MapFile) -> RoadMap:
    """The map of a file, without warnings of what is understood only in part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_map(file.path)


def drive_map(env: DrivingEnv, file: MapFile) -> MapRow:
    """Enter a map and let the lane follower drive it."""
    try:
        road_map = load_quietly(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rollout = drive(env, LaneFollower(), 0, file.reset_options, NUM_STEPS)
    except ValueError as error:
        message = str(error).removeprefix(f"map {file.path} cannot be used: ").replace(str(file.path), file.path.name)
        return MapRow(
            name=file.name,
            digest=file.digest,
            roads=_count_roads(file),
            lanes=0,
            lights=0,
            signs=0,
            driven=False,
            outcome=f"refused: {message}",
        )
    good, outcome = judge(rollout)
    stopping = [signal.kind for signal in road_map.signals if signal.stops]
    return MapRow(
        name=file.name,
        digest=file.digest,
        roads=_count_roads(file),
        lanes=len(road_map.lanes),
        lights=stopping.count(SignalType.TRAFFIC_LIGHT),
        signs=stopping.count(SignalType.STOP) + stopping.count(SignalType.YIELD),
        driven=good,
        outcome=outcome,
    )


def _count_roads(file: MapFile) -> int:
    try:
        root = parse_opendrive(file.path.read_text(errors="replace"))
    except ValueError:
        return 0
    return sum(element.tag == "road" for element in root)


def judge(rollout: Rollout) -> tuple[bool, str]:
    """Whether the lane was kept, and what happened in words."""
    offset = float(np.abs(rollout.scenes.lane[:, 0]).max())
    outside = np.abs(rollout.scenes.lane[:, 0]) > rollout.scenes.lane[:, 2] / 2
    for name, when in (
        ("collision", rollout.collision > 0.5),
        ("off the road", rollout.off_road > 0.5),
        ("against the traffic", rollout.wrong_way),
        (f"{offset:.1f} m beside the lane's centre", outside),
    ):
        if when.any():
            return False, f"{name} after {int(when.argmax())} steps"
    end = "" if rollout.num_steps == NUM_STEPS else ", to the road's end"
    return True, f"driven, lane kept ({rollout.num_steps} steps, {rollout.progress.sum():.0f} m{end})"


def _tile(road_map: RoadMap, name: str) -> np.ndarray:
    """A thumbnail with its name below, uint8 [h, w, 3]."""
    width, height = _TILE
    picture = draw_map(road_map, 3 * width, details=False)
    scale = min(width / picture.shape[1], (height - 24) / picture.shape[0])
    size = int(picture.shape[1] * scale), int(picture.shape[0] * scale)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.full((height, width, 3), picture[0, 0], np.uint8)
    top, left = (height - 24 - size[1]) // 2, (width - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    cv2.putText(tile, name, (8, height - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return tile


def contact_sheet(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Tiles in rows of five, uint8 [h, w, 3]."""
    rows = [np.concatenate(tiles[k : k + _COLUMNS], axis=1) for k in range(0, len(tiles), _COLUMNS)]
    return np.concatenate(rows, axis=0)


def render(results: dict[str, list[dict]]) -> str:
    """The page, from the kept results."""
    rows = {name: [MapRow(**row) for row in results[name]] for name in SETS if name in results}
    parts = [
        "<!-- Written by docs/make_maps.py from docs/results/maps.json. Change those, not this page. -->",
        "# Public maps",
        f"OpenDRIVE files that others wrote, entered in `DriveDiT-Road-v0` and driven {NUM_STEPS} steps (5 s) by the "
        'lane follower from `seed=0`: `env.reset(seed=0, options={"map": file})`. The lane is kept where the car never '
        "touches anything, leaves the road, drives against the traffic, or strays by more than a quarter of the lane's "
        "width from its centre. The way ends where the road ends. What cannot be driven is refused with a `ValueError` "
        "that names the element. `drivedit check-map FILE` tells what is read of a file of yours and draws it.",
        _summary(rows),
        f"![{', '.join(PICTURED)}, as they are read]({PICTURE_NAME})",
        "Lanes by use, markings in their colours, direction of travel, lights (green), stop and yield signs (red, "
        "orange), speed signs (blue), other signals (violet).",
        *(_render_set(SETS[name], of_set) for name, of_set in rows.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(rows: dict[str, list[MapRow]]) -> str:
    lines = ["| set | files | driven, lane kept | refused by name | other |", "|---|---|---|---|---|"]
    for name, of_set in rows.items():
        driven = sum(row.driven for row in of_set)
        refused = sum(row.outcome.startswith("refused") for row in of_set)
        lines.append(
            f"| {SETS[name].title} | {len(of_set)} | {driven} | {refused} | {len(of_set) - driven - refused} |"
        )
    return "\n".join(lines)


def _render_set(of: MapSet, rows: Sequence[MapRow]) -> str:
    lines = ["| file | roads | driving lanes | lights | stop, yield | outcome |", "|---|---|---|---|---|---|"]
    for row in rows:
        outcome = row.outcome.replace("|", "\\|")
        lines.append(f"| {row.name} | {row.roads} | {row.lanes} | {row.lights} | {row.signs} | {outcome} |")
    return "\n\n".join([f"## {of.title}", of.source, "\n".join(lines)])


if __name__ == "__main__":
    make_maps(tyro.cli(MapsConfig, description=__doc__))

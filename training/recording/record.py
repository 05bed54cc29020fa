"""Record rollouts: many behaviours in many towns, in parallel; an interrupted recording goes on where it stopped."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from envs.carla.leaderboard_routes import LeaderboardRoute, RouteError, read_routes
from envs.folder_lock import lock_folder
from envs.maps.map_files import MapFile, find_maps, read_maps
from envs.process_pool import in_processes
from envs.ray_cluster import RayCluster, in_cluster
from envs.world import CameraSceneWorld, SensorWorld, World, WorldLostError, WorldStep
from envs.worlds import WORLDS, ReferenceWorldName
from training.data import lerobot_layout as layout
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset, Rows, all_valid
from training.recording.behaviours import BEHAVIOURS, BehaviourMixture, RandomDriver
from worldsim.datatypes.route_signals import cycles_from
from worldsim.datatypes.scene import SceneState
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import SENSOR_NAMES
from worldsim.option_checks import check_options

if TYPE_CHECKING:
    SensorName = str
else:  # the choices of the command line
    SensorName = Literal[SENSOR_NAMES]

_SETTINGS_PATH = "meta/recording.json"
MOST_LOSSES = 3
"""A world that breaks off this often in one episode ends the recording."""


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """What is recorded and where to. Episode i depends on i and on these fields alone, but not on those marked *.

    Args:
        out: * folder of the dataset.
        world: "road" is the reference simulator; "carla" a CARLA server, whose own maps take the place of towns.
        maps: OpenDRIVE files, or folders of them, that the reference world visits in turn instead of towns.
        carla_maps: maps of the server to be visited in turn instead of towns; none for the map it has loaded.
        carla_routes: a file of CARLA leaderboard routes to be driven in turn instead, each on its own map.
        host: * of the CARLA server.
        port: * of its RPC.
        num_episodes: * how many the dataset is to have; raise it to record more.
        seconds_per_episode: longest episode [s].
        first_town: seed of the first town.
        num_towns: towns are first_town .. first_town + num_towns - 1, visited in turn.
        episodes_per_town: consecutive episodes in one town, or on one map, before the next one is loaded.
        frame_size: height and width [px].
        num_workers: * processes; 0 records in this one, and so does a CARLA server, whatever the number.
        ray: * HOST:PORT of a Ray cluster's head, or "auto", on whose CPUs episodes are recorded instead
            (docs/validation.md); all its machines write into `out`. Needs the extra "ray".
        seed: of everything.
        mixture: how often each behaviour drives.
        seconds_after_collision: an episode goes on this long after a collision [s].
        seconds_off_road: an episode ends when the car has been off the road this long [s].
        extra: pictures recorded beside the frames: "depth", "semantic".
        min_seconds: an episode that ends sooner is driven again from another start, up to five times [s].

    Raises:
        ValueError: a count, size or time is out of range.
    """

    out: Path = Path("data/rollouts")
    world: ReferenceWorldName = "road"
    maps: tuple[Path, ...] = ()
    carla_maps: tuple[str, ...] = ()
    carla_routes: Path | None = None
    host: str = "127.0.0.1"
    port: int = 2000
    num_episodes: int = 100
    seconds_per_episode: float = 30.0
    first_town: int = 0
    num_towns: int = 50
    episodes_per_town: int = 4
    frame_size: tuple[int, int] = (128, 128)
    num_workers: int = 2
    ray: str | None = None
    seed: int = 0
    mixture: BehaviourMixture = field(default_factory=BehaviourMixture)
    seconds_after_collision: float = 0.5
    seconds_off_road: float = 1.5
    extra: tuple[SensorName, ...] = ()
    min_seconds: float = 2.0

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("num_episodes", "num_towns", "episodes_per_town"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("seconds_after_collision", "seconds_off_road", "min_seconds", "num_workers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not self.seconds_per_episode > self.min_seconds:
            raise ValueError(f"seconds_per_episode must exceed min_seconds, got {self.seconds_per_episode}")
        if any(size % 2 for size in self.frame_size):
            raise ValueError(f"frame_size must be even for H.264, got {self.frame_size}")
        for name in ("carla_maps", "carla_routes"):
            if getattr(self, name) and self.world != "carla":
                raise ValueError(f"{name} are for world 'carla', got them for {self.world!r}")
        if self.maps and self.world != "road":
            raise ValueError(f"maps are for world 'road', got them for {self.world!r}; its own are --carla-maps")
        if self.ray is not None and self.world != "road":
            raise ValueError(f"ray={self.ray!r} is for world 'road': {self.world!r} is a server of its own")
        if self.carla_maps and self.carla_routes:
            raise ValueError(f"routes name their maps; carla_maps must be empty beside them, got {self.carla_maps}")

    def map(self, index: int) -> MapFile | None:
        """The map of episode `index`, None where it takes place in a town or in CARLA."""
        maps = find_maps(self.maps)
        return maps[index // self.episodes_per_town % len(maps)] if maps else None

    def town(self, index: int) -> int:
        """The town of episode `index`, -1 where it takes place on a map or in CARLA."""
        if self.world != "road" or self.maps:
            return -1
        return self.first_town + index // self.episodes_per_town % self.num_towns

    def source(self, index: int, seed: int) -> EpisodeSource:
        """Where episode `index` comes from, driven from `seed`."""
        file = self.map(index)
        name, digest = ("", "") if file is None else (file.name, file.digest)
        return EpisodeSource(seed=seed, town=self.town(index), map=name, map_digest=digest)

    def start_options(self, index: int) -> dict[str, Any]:
        """The reset options of the world with which episode `index` begins."""
        if self.world == "road":
            file = self.map(index)
            return {"town": self.town(index)} if file is None else dict(file.reset_options)
        visit = index // self.episodes_per_town
        if self.carla_routes is not None:
            routes = _routes(self.carla_routes)
            return {"route": routes[visit % len(routes)]}
        return {"map": self.carla_maps[visit % len(self.carla_maps)]} if self.carla_maps else {}


@lru_cache(maxsize=1)
def _routes(path: Path) -> list[LeaderboardRoute]:
    """The routes of a file, read once."""
    return read_routes(path)


MakeWorld = Callable[[RecordConfig], World]
"""Makes the world that is recorded; a function at module level, since workers import it."""


def make_named_world(config: RecordConfig) -> World:
    """The world that `config` names, with what it knows of the config's options."""
    entry = WORLDS[config.world]
    options = {"frame_size": config.frame_size, "host": config.host, "port": config.port, "extra_obs": config.extra}
    return entry.make(**{name: value for name, value in options.items() if name in entry.options}).world


def record(config: RecordConfig, make_world: MakeWorld | None = None) -> RolloutDataset:
    """Record the episodes that `config.out` does not have yet, and seal the dataset.

    Interrupt it at will: complete episodes stay, and the same call goes on where it stopped.

    Args:
        config: what is recorded.
        make_world: what it is recorded in; None makes the world that `config` names.

    Raises:
        ValueError: a map cannot be used, or `config.out` holds a recording made with other settings.
        RouteError: a route of `config.carla_routes` cannot be driven on the server.
        FolderInUseError: another process records there.
        ConnectionError: CARLA does not answer, or breaks off again and again; what was recorded so far is kept.
    """
    make_world = make_named_world if make_world is None else make_world
    maps = read_maps(config.maps)
    with lock_folder(config.out):
        _check_settings(config, maps)
        _record_missing(config, make_world)
    return RolloutDataset(config.out)


def _record_missing(config: RecordConfig, make_world: MakeWorld) -> None:
    """Record what is missing, and seal the dataset."""
    groups = _missing_by_town(config)
    done = config.num_episodes - sum(len(group) for group in groups)
    with tqdm(total=config.num_episodes, initial=done, desc=f"record {config.out}", unit="episode") as progress:
        if config.ray is None and (config.num_workers == 0 or WORLDS[config.world].remote):
            for group in groups:
                progress.update(_record_town(config, make_world, group))
        else:
            _record_in_parallel(config, make_world, groups, progress)
    writer = _writer(config, RolloutDataset(config.out).fps)
    writer.seal()


def _record_in_parallel(
    config: RecordConfig, make_world: MakeWorld, groups: Sequence[Sequence[int]], progress: tqdm
) -> None:
    calls = [(config, make_world, group) for group in groups]
    try:
        if config.ray is None:
            recorded = in_processes(_record_town, calls, config.num_workers)
        else:
            recorded = in_cluster(_record_town, calls, RayCluster(config.ray)) if calls else ()
        for num_recorded in recorded:
            progress.update(num_recorded)
    except BaseException:  # Ctrl-C included; half-written episodes are lost, and nothing else
        progress.write("stopped; the same command continues the recording")
        raise


def _missing_by_town(config: RecordConfig) -> list[list[int]]:
    """Episodes still to be recorded, those in the same visit of a town together."""
    existing = set(RolloutDataset(config.out).indices) if (config.out / layout.INFO_PATH).exists() else set()
    groups: dict[int, list[int]] = {}
    for index in sorted(set(range(config.num_episodes)) - existing):
        groups.setdefault(index // config.episodes_per_town, []).append(index)
    return list(groups.values())


def _check_settings(config: RecordConfig, maps: Sequence[MapFile]) -> None:
    """Refuse to mix recordings of different settings in one dataset."""
    free = ("out", "num_episodes", "num_workers", "ray", "host", "port")
    settings = {name: value for name, value in asdict(config).items() if name not in free}
    settings["carla_routes"] = None if config.carla_routes is None else str(config.carla_routes)
    settings["maps"] = [(file.name, file.digest) for file in maps]
    settings = json.loads(json.dumps(settings))  # as it reads back
    path = config.out / _SETTINGS_PATH
    if not path.exists() or not layout.has_episodes(config.out):  # a wrong start stands in no one's way
        layout.write_json(path, settings)
    # what recordings have that are older than these options
    older = {"world": "road", "maps": [], "carla_maps": [], "carla_routes": None, "extra": []}
    found = older | layout.read_json(path)
    for name, value in settings.items():
        if found.get(name) != value:
            raise ValueError(f"{config.out} was recorded with {name}={found.get(name)}, now {value}; record elsewhere")


def _writer(config: RecordConfig, fps: int) -> RolloutWriter:
    return RolloutWriter(config.out, config.frame_size, fps, list(BEHAVIOURS), sensors=config.extra)


def _record_town(config: RecordConfig, make_world: MakeWorld, indices: Sequence[int]) -> int:
    """Record these episodes, all in one town; returns how many."""
    world = make_world(config)
    try:
        writer = _writer(config, round(1 / world.dt))
        for index in indices:
            if writer.has(index):  # by a process of a cluster that was lost before it was done
                continue
            try:
                episode = record_episode(world, config, index)
                writer.write(
                    index,
                    episode.frames,
                    episode.rows,
                    episode.source,
                    world.layout(),
                    episode.pictures,
                    episode.camera_scenes,
                    episode.light_cycles,
                )
            except (OSError, RouteError):  # a lost server, a full disk: they say what is wrong
                raise
            except Exception as error:
                raise RuntimeError(f"episode {index}, {config.source(index, 0)}, failed: {error}") from error
    finally:
        world.close()
    return len(indices)


class Drive(NamedTuple):
    """A drive as it is written. pictures: further streams by name, [t, h, w] each. camera_scenes: what each frame shows
    beside the layout, none where the world does not tell. light_cycles: LIGHT_CYCLE_NAMES by light group, float64
    [g, 4]; time 0 is the first frame's."""

    frames: np.ndarray
    rows: Rows
    pictures: dict[str, np.ndarray]
    camera_scenes: list[CameraScene]
    light_cycles: np.ndarray | None
    source: EpisodeSource


def record_episode(world: World, config: RecordConfig, index: int) -> Drive:
    """Drive episode `index`, a function of `config` and `index` alone."""
    min_length = max(2, round(config.min_seconds / world.dt))
    for attempt in range(5):
        rng = np.random.default_rng([config.seed, index, attempt])
        source = config.source(index, int(rng.integers(2**31)))
        drive = _drive_to_the_end(world, config, source, index, rng)
        if len(drive.rows) >= min_length:
            break
    return drive


def _drive_to_the_end(
    world: World, config: RecordConfig, source: EpisodeSource, index: int, rng: np.random.Generator
) -> Drive:
    """Drive an episode; if the world is lost on the way, the same drive once more from its start."""
    for losses_left in reversed(range(MOST_LOSSES)):
        try:
            return _drive(world, config, source, index, copy.deepcopy(rng))
        except WorldLostError as error:
            if losses_left == 0:
                raise
            tqdm.write(f"episode {index} is lost and driven again: {error}", file=sys.stderr)
    raise AssertionError("the last drive returns or raises")


def _drive(world: World, config: RecordConfig, source: EpisodeSource, index: int, rng: np.random.Generator) -> Drive:
    driver = RandomDriver(config.mixture, world.dt, rng)
    end = _EpisodeEnd(config, world.dt)
    step = world.reset(source.seed, config.start_options(index))
    tells_scenes = isinstance(world, CameraSceneWorld)
    light_cycles = world.light_cycles() if tells_scenes else None
    steps: list[WorldStep] = []
    frames: list[np.ndarray] = []
    pictures: list[dict[str, np.ndarray]] = []
    scenes: list[CameraScene] = []
    controls: list[np.ndarray] = []
    tasks: list[int] = []
    while True:
        control, task = driver.control(step.scene)
        steps.append(step)
        frames.append(world.frame())
        pictures.append(_extra_pictures(world, config.extra))
        if tells_scenes:
            scenes.append(world.camera_scene())
        controls.append(control)
        tasks.append(task)
        if end.after(step):
            if tells_scenes and light_cycles is None:  # a world that learns them may know them by now
                light_cycles = _cycles_since(world.light_cycles(), (len(steps) - 1) * world.dt)
            return Drive(
                frames=np.stack(frames),
                rows=_rows(steps, controls, tasks),
                pictures={name: np.stack([shown[name] for shown in pictures]) for name in config.extra},
                camera_scenes=scenes,
                light_cycles=light_cycles,
                source=source,
            )
        step = world.step(control)


def _cycles_since(cycles: np.ndarray | None, seconds: float) -> np.ndarray | None:
    """The cycles [g, 4] for a clock that began `seconds` ago."""
    return None if cycles is None else cycles_from(cycles, -seconds)


def _extra_pictures(world: World, names: Sequence[str]) -> dict[str, np.ndarray]:
    if not names:
        return {}
    if not isinstance(world, SensorWorld):
        raise ValueError(f"a {type(world).__name__} shows no {' and no '.join(names)}: record without --extra")
    return world.sensor_frames(names)


class _EpisodeEnd:
    """Decides after which frame an episode ends."""

    def __init__(self, config: RecordConfig, dt: float) -> None:
        self._frames_left = round(config.seconds_per_episode / dt)
        self._after_collision = round(config.seconds_after_collision / dt)
        self._max_off_road = round(config.seconds_off_road / dt)
        self._collided = False
        self._off_road = 0

    def after(self, step: WorldStep) -> bool:
        """Whether the frame of `step` is the last one."""
        self._frames_left -= 1
        if step.collision > 0.5 and not self._collided:
            self._collided = True
            self._frames_left = min(self._frames_left, self._after_collision)
        self._off_road = self._off_road + 1 if step.off_road > 0.5 else 0
        return self._frames_left <= 0 or self._off_road > self._max_off_road


def _rows(steps: Sequence[WorldStep], controls: Sequence[np.ndarray], tasks: Sequence[int]) -> Rows:
    return Rows(
        controls=np.stack(controls),
        vehicles=np.stack([s.vehicle for s in steps]),
        scenes=SceneState.stack([s.scene for s in steps]),
        collision=np.array([s.collision for s in steps], np.float32),
        off_road=np.array([s.off_road for s in steps], np.float32),
        wrong_way=np.array([s.wrong_way for s in steps], bool),
        red_light=np.array([s.red_light for s in steps], bool),
        stop_sign_missed=np.array([s.stop_sign_missed for s in steps], bool),
        progress=np.array([s.progress for s in steps], np.float32),
        tasks=np.array(tasks, np.int64),
        valid=all_valid(len(steps)),
    )

"""`drivedit evaluate`: how true the learned world is, against held-out recordings of the reference world."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
import torch

from envs.maps.map_files import find_maps
from training.data import lerobot_layout as layout
from training.data.frame_store import FrameStore
from training.data.rollouts import RolloutDataset
from training.data.starts import choose_starts, episode_at
from training.evaluation.closed_loop import drive_closed_loop, fair_clips, violation_scores
from training.evaluation.films import write_sheet
from training.evaluation.held_out import choose_long_starts, steps_ahead
from training.evaluation.held_out_runs import HeldOutRuns
from training.evaluation.loop_closure import drive_loops, loop_closure_scores, make_loop, view_rows
from training.evaluation.measures import Instruments
from training.evaluation.metrics import event_scores, tracked_scores, trust_scores
from training.evaluation.modes import ABLATIONS, LIVE, REPLAYED, WITHOUT_MEMORY, DriveMode
from training.evaluation.picture_scores import picture_scores
from training.evaluation.report import table
from training.evaluation.rollouts import roll_out_recorded
from training.evaluation.sim_agents import MOST_ROLLOUTS, score_realism
from training.evaluation.traffic_flow import score_traffic
from training.evaluation.yardstick import load_yardstick
from training.recording.record import RecordConfig, record
from worldsim.checkpoint import CONFIG_NAME, WEIGHTS_NAME
from worldsim.configs import CameraGeometry
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.starts import STARTS_NAME, load_starts
from worldsim.inference import Backend, check_backend, set_backend
from worldsim.option_checks import check_options
from worldsim.world_model import DEFAULT_CHECKPOINT, WorldModel

mpl.use("Agg")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is compared. Run it again with the same `out` to go on where it stopped.

    Args:
        data: recording of towns that training has not seen, of all kinds of driving: what is tracked, events and trust
            are held against it.
        long_data: recording of long drives, likewise, that are driven again for their pictures; None takes `data`.
        tail: share of its frames, at its end, that is compared: the one that training on `data` has held out.
        world: "recording" takes `data` as it is; "road" records it first on `maps` in the reference world, "carla" in a
            CARLA server; both go on with a recording that is there.
        maps: OpenDRIVE files, or folders of them, to be visited in turn in world "road".
        host: of the CARLA server.
        port: of its RPC.
        carla_maps: maps of the server to be visited in turn; without one, the map it has.
        carla_routes: a file of CARLA leaderboard routes to be driven in turn instead, each on its own map.
        num_episodes: that are recorded on the maps or in CARLA.
        seconds_per_episode: longest of them [s].
        out: folder for report.json, plots, sheets and films.
        checkpoint: folder of the model, None for the default world.
        num_starts: starts of short rollouts with the recorded controls; 0 leaves out what they tell.
        seconds: length of a rollout [s].
        long_starts: recorded drives that are driven again for their pictures, once with road users and lights replayed
            where the recording tells them, once live; 0 leaves them out.
        long_seconds: length of such a drive [s].
        live: drive them live too.
        ablation_starts: so many of them are also driven without latents, without the fetched last picture, without
            memory and without layout.
        loops: drives around a block in as many of the recorded towns, with and without memory.
        closed_loop_starts: start clips of the checkpoint from which the lane follower drives closed loop, for lights
            and stop signs; starts without a route, off the road or in contact are left out.
        realism_starts: recorded starts from which road users are rolled out, in the learned world, in the reference
            world where it can make the recorded drive again, and at constant velocity, and scored for realism; 24 of
            them with 16 rollouts each take about 40 s.
        realism_rollouts: from each of them, at most 32.
        traffic_starts: towns of the recording in which the lane follower drives for minutes, in the learned and in the
            reference world, and as many endless drives, to count collisions and long waits of others.
        traffic_minutes: of each such drive; four of 10 minutes in all three take about 3 min.
        num_films: so many of the drives become films.
        batch_size: drives side by side; memory grows with it, about 0.1 GB for each of 60 s.
        device: torch device.
        backend: how the model runs.
        num_threads: of torch, None leaves it.
        seed: of starts and noise.
    """

    data: Path
    long_data: Path | None = None
    tail: float = 1.0
    world: Literal["recording", "road", "carla"] = "recording"
    maps: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 2000
    carla_maps: tuple[str, ...] = ()
    carla_routes: Path | None = None
    num_episodes: int = 20
    seconds_per_episode: float = 30.0
    out: Path = Path("runs/evaluate")
    checkpoint: Path | None = None
    num_starts: int = 64
    seconds: float = 6.0
    long_starts: int = 48
    long_seconds: float = 60.0
    live: bool = True
    ablation_starts: int = 0
    loops: int = 8
    closed_loop_starts: int = 8
    realism_starts: int = 24
    realism_rollouts: int = 16
    traffic_starts: int = 4
    traffic_minutes: float = 10.0
    num_films: int = 6
    batch_size: int = 8
    device: str = "cpu"
    backend: Backend = "plain"
    num_threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("seconds", "batch_size", "long_seconds", "traffic_minutes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        counts = ("num_starts", "long_starts", "ablation_starts", "loops", "closed_loop_starts", "realism_starts")
        for name in (*counts, "traffic_starts", "num_films"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 1 <= self.realism_rollouts <= MOST_ROLLOUTS:
            raise ValueError(f"realism_rollouts must be 1 to {MOST_ROLLOUTS}, got {self.realism_rollouts}")
        if not 0 < self.tail <= 1:
            raise ValueError(f"tail must lie in (0, 1], got {self.tail}")
        check_backend(self.backend, self.device)
        if self.maps and self.world != "road":
            raise ValueError(f"maps are for world 'road', got them for {self.world!r}")
        if self.world == "road" and not self.maps:
            raise ValueError("world 'road' is recorded on maps of yours: give --maps")
        if self.world != "carla" and (self.carla_maps or self.carla_routes):
            raise ValueError(f"carla_maps and carla_routes are for world 'carla', got them for {self.world!r}")

    @property
    def checkpoint_folder(self) -> Path:
        """Where the model is."""
        return self.checkpoint or DEFAULT_CHECKPOINT

    def recording(self, frame_size: tuple[int, int]) -> RecordConfig:
        """What is recorded on the maps or in CARLA, in frames of the model's size."""
        return RecordConfig(
            out=self.data,
            world=self.world,
            maps=self.maps,
            carla_maps=self.carla_maps,
            carla_routes=self.carla_routes,
            host=self.host,
            port=self.port,
            num_episodes=self.num_episodes,
            seconds_per_episode=self.seconds_per_episode,
            frame_size=frame_size,
            seed=1,
        )


def evaluate(config: EvaluateConfig) -> dict:
    """Evaluate a checkpoint; writes and returns the report.

    Raises:
        ValueError: a recording has other frames or another rate than the model.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    model = set_backend(WorldModel.load(config.checkpoint, config.device), config.backend)
    store = _held_out_frames(model, config)
    long_store = store if config.long_data is None else open_recording(model, config.long_data)
    config.out.mkdir(parents=True, exist_ok=True)

    report = {"config": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(config).items()}}
    report["config"]["maps"] = [file.label for file in find_maps(config.maps)]
    for wanted, part in (
        (config.long_starts, lambda: _drive_long(model, long_store, config)),
        (config.loops, lambda: _close_loops(model, long_store, config)),
        (config.num_starts, lambda: _roll_out(model, store, config)),
        (config.closed_loop_starts, lambda: _drive_closed_loop(model, config)),
        (
            config.realism_starts,
            lambda: score_realism(model, long_store, config.realism_starts, config.realism_rollouts, config.seed),
        ),
        (config.traffic_starts, lambda: _watch_traffic(model, long_store, config)),
    ):
        if wanted:
            report |= part()
            layout.write_json(config.out / "report.json", report)  # after each part: they take long
    print(table(report))
    return report


def open_recording(model: WorldModel, data: Path) -> FrameStore:
    """A recording that has the model's frames at the model's rate.

    Raises:
        ValueError: it has other frames or another rate.
    """
    store = FrameStore(RolloutDataset(data))
    if store.frames.shape[1:3] != model.config.frame_size:
        raise ValueError(f"{data} has frames {store.frames.shape[1:3]}, the model {model.config.frame_size}")
    if abs(store.dt - model.config.dt) > 1e-6:
        raise ValueError(f"{data} has a frame every {store.dt} s, the model every {model.config.dt} s")
    return store


def _held_out_frames(model: WorldModel, config: EvaluateConfig) -> FrameStore:
    """The frames to compare with, recorded first if that is asked for."""
    if config.world != "recording":
        if model.config.camera != CameraGeometry():
            raise ValueError(f"worlds are recorded with {CameraGeometry()}, the model has {model.config.camera}")
        record(config.recording(model.config.frame_size))
    store = open_recording(model, config.data)
    return store if config.tail == 1 else store.split(config.tail)[1]


def _drive_long(model: WorldModel, store: FrameStore, config: EvaluateConfig) -> dict:
    """Scores of recorded drives that are driven again; writes a plot, films and a sheet for each mode."""
    dt, horizon = model.config.dt, round(config.long_seconds / model.config.dt)
    rng = np.random.default_rng(config.seed)
    positions = choose_long_starts(store, config.long_starts, model.config.num_context, horizon, rng)
    horizon = min(horizon, int(steps_ahead(store, positions).max()))
    runs = HeldOutRuns(
        model=model,
        store=store,
        positions=positions,
        horizon=horizon,
        instruments=Instruments(
            store=store,
            yardstick=load_yardstick(config.device),
            decoder=model.scene_decoder,
            camera=model.config.camera,
        ),
        folder=config.out,
        identity=_identity(store, config),
        batch_size=config.batch_size,
        num_films=config.num_films,
    )
    known = all(store.has_camera_scenes(episode) for episode in range(len(store.lengths)))
    towns = {int(store.towns[episode_at(store, position)]) for position in positions.tolist()}
    report: dict = {"towns": len(towns)}
    for mode in [*([REPLAYED] if known else []), *([LIVE] if config.live or not known else [])]:
        truths, made = runs.run(mode, config.long_starts)
        report[mode.name] = picture_scores(truths, made, dt, config.seed)
        runs.write_sheet(config.out / f"sheet_{mode.name}.png", truths, made)
        _plot(config.out / f"psnr_{mode.name}.png", report[mode.name]["psnr_curves"], dt)
    if config.ablation_starts:
        modes = [REPLAYED, *ABLATIONS] if known else [LIVE, *(mode.live() for mode in ABLATIONS)]
        report["ablations"] = _ablate(runs, modes, config)
    return report


def _ablate(runs: HeldOutRuns, modes: list[DriveMode], config: EvaluateConfig) -> dict:
    """Scores of the first drives in modes, the first of which takes nothing away; writes a sheet for each other one."""
    scores, num = {}, min(config.ablation_starts, config.long_starts)
    for mode in modes:
        truths, made = runs.run(mode, num)
        scores[mode.name] = {"title": mode.title, **picture_scores(truths, made, runs.store.dt, config.seed)}
        if mode is not modes[0]:
            runs.write_sheet(config.out / f"sheet_{mode.name}.png", truths, made)
    return scores


def _identity(store: FrameStore, config: EvaluateConfig) -> str:
    """Of the model and the recording, by their contents."""
    digest = hashlib.sha256(store.lengths.tobytes() + store.rows.vehicles.tobytes() + config.backend.encode())
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        digest.update((config.checkpoint_folder / name).read_bytes())
    return digest.hexdigest()


def _close_loops(model: WorldModel, store: FrameStore, config: EvaluateConfig) -> dict:
    """Scores of loops driven with and without memory in the recorded towns; writes a sheet of the same views, a lap
    apart. Nothing if there are no such towns."""
    towns = [town for town in np.unique(store.towns).tolist() if town >= 0]
    found = (make_loop(town, model.config.frame_size, model.config.num_context, config.seed) for town in towns)
    loops = []
    for loop in found:
        if loop is not None and len(loops) < config.loops:
            loops.append(loop)
        if len(loops) == config.loops:
            break
    if not loops:
        return {}

    # twice as long as the drives: at town speeds a lap takes well over half a minute
    scores, most_steps = {}, round(2 * config.long_seconds / model.config.dt)
    for mode in (LIVE, WITHOUT_MEMORY):
        drives = drive_loops(model, loops, most_steps, mode)
        title = "with memory" if mode is LIVE else mode.title
        scores[mode.name] = {"title": title, **loop_closure_scores(loops, drives, np.random.default_rng(config.seed))}
        rows = [view_rows(*one) for one in zip(loops, drives.frames, drives.views, strict=True)]
        if any(rows):
            write_sheet(config.out / f"loops_{mode.name}.png", [row for pair in rows for row in pair])
    return {"loops": scores}


def _roll_out(model: WorldModel, store: FrameStore, config: EvaluateConfig) -> dict:
    """Scores of short rollouts beside recordings."""
    dt, horizon = model.config.dt, round(config.seconds / model.config.dt)
    rng = np.random.default_rng(config.seed)
    positions = choose_starts(store, config.num_starts, model.config.num_context, horizon, rng)
    rollouts = roll_out_recorded(model, store, positions, horizon, config.batch_size)
    return {
        "tracked": tracked_scores(rollouts, dt),
        "events": event_scores(rollouts, dt),
        "trust": trust_scores(rollouts, model.trust),
        "full_trust": trust_scores(rollouts, model.full_trust),
    }


def _watch_traffic(model: WorldModel, store: FrameStore, config: EvaluateConfig) -> dict:
    """Collisions and long waits of road users in towns of the recording, and on endless drives from start clips."""
    towns = [town for town in np.unique(store.towns).tolist() if town >= 0]
    clips = _usable_clips(model, config)[: config.traffic_starts]
    return score_traffic(model, towns[: config.traffic_starts], clips, config.traffic_minutes)


def _usable_clips(model: WorldModel, config: EvaluateConfig) -> list[StartClip]:
    """The checkpoint's start clips that have a route and are fair."""
    clips = load_starts(config.checkpoint_folder / STARTS_NAME)
    return fair_clips(model, [clip for clip in clips if len(clip.route) > 1])


def _drive_closed_loop(model: WorldModel, config: EvaluateConfig) -> dict:
    """Scores of closed-loop drives from start clips that can be used; nothing if none can."""
    starts = _usable_clips(model, config)
    if not starts:
        return {}
    rng = np.random.default_rng(config.seed)
    chosen = rng.choice(len(starts), min(config.closed_loop_starts, len(starts)), replace=False)
    steps = round(config.long_seconds / model.config.dt)
    drives = drive_closed_loop(model, [starts[k] for k in chosen.tolist()], steps)
    return {"violations": violation_scores(drives, model.config.dt)}


def _plot(path: Path, curves: dict, dt: float) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.5))
    for name, label in (("model", "learned world"), ("repeat", "repeat last frame")):
        axes.plot(dt * (1 + np.arange(len(curves[name]))), curves[name], label=label)
    axes.set(xlabel="time after the start [s]", ylabel="median PSNR [dB]")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)

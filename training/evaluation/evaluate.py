"""`drivedit evaluate`: how true the learned world is, against held-out recordings of the reference world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import matplotlib as mpl
import numpy as np
import torch

from envs.maps.map_files import find_maps
from envs.video import write_mp4
from training.data import lerobot_layout as layout
from training.data.frame_store import FrameStore, FrameWindows
from training.data.rollouts import RolloutDataset
from training.data.starts import choose_starts
from training.evaluation.frechet import feature_scores
from training.evaluation.image_metrics import psnr
from training.evaluation.loop_closure import LoopRoute, drive_loops, loop_closure_scores, view_rows
from training.evaluation.metrics import (
    actor_picture_scores,
    control_scores,
    event_scores,
    picture_scores,
    scene_scores,
    stability_scores,
    trust_scores,
    violation_scores,
)
from training.evaluation.rollouts import Rollouts, long_drives, reconstruct, roll_out_recorded
from training.recording.record import RecordConfig, record
from worldsim.conditioning.actor_map import ActorMap
from worldsim.configs import CameraGeometry
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.starts import STARTS_NAME, load_starts
from worldsim.world_model import DEFAULT_CHECKPOINT, WorldModel

mpl.use("Agg")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is compared.

    Args:
        data: recording of towns that training has not seen.
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
        out: folder for report.json, plots and videos.
        checkpoint: folder of the model, None for the default world.
        num_starts: starts of open-loop rollouts with the recorded controls.
        seconds: length of a rollout [s].
        long_starts: start clips of the checkpoint from which the lane follower drives closed loop, for stability;
            0 leaves them out, as do starts without a route.
        long_seconds: their length [s]; up to four also drive a loop for three quarters of it, with and without the
            memory of a model that has one.
        batch_size: rollouts side by side.
        device: torch device.
        num_threads: of torch, None leaves it.
        seed: of starts and noise.
    """

    data: Path
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
    long_starts: int = 8
    long_seconds: float = 60.0
    batch_size: int = 16
    device: str = "cpu"
    num_threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_starts", "seconds", "batch_size", "long_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 < self.tail <= 1:
            raise ValueError(f"tail must lie in (0, 1], got {self.tail}")
        if self.maps and self.world != "road":
            raise ValueError(f"maps are for world 'road', got them for {self.world!r}")
        if self.world == "road" and not self.maps:
            raise ValueError("world 'road' is recorded on maps of yours: give --maps")
        if self.world != "carla" and (self.carla_maps or self.carla_routes):
            raise ValueError(f"carla_maps and carla_routes are for world 'carla', got them for {self.world!r}")

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


def side_by_side(r: Rollouts, count: int) -> np.ndarray:
    """Truth above, the learned world below, for the first `count` starts; uint8 [t, 2h, count*w, 3]."""
    columns = [np.concatenate([r.truth[i], r.frames[i]], axis=1) for i in range(min(count, len(r.frames)))]
    return np.concatenate(columns, axis=2)


def write_sheet(path: Path, rows: list[np.ndarray], every: int) -> None:
    """A picture of every `every`-th frame of clips uint8 [t, h, w, 3], a clip a row."""
    sheet = np.concatenate([np.concatenate(list(clip[::every]), axis=1) for clip in rows], axis=0)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _plot(path: Path, curves: dict, dt: float) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.5))
    for name, label in (("vae", "VAE reconstruction"), ("model", "learned world"), ("repeat", "repeat last frame")):
        axes.plot(dt * (1 + np.arange(len(curves[name]))), curves[name], label=label)
    axes.set(xlabel="time after the start [s]", ylabel="median PSNR [dB]")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _check_fit(store: FrameStore, model: WorldModel, data: Path) -> None:
    """Raise ValueError unless a recording has the model's frames at the model's rate."""
    if store.frames.shape[1:3] != model.config.frame_size:
        raise ValueError(f"{data} has frames {store.frames.shape[1:3]}, the model {model.config.frame_size}")
    if abs(store.dt - model.config.dt) > 1e-6:
        raise ValueError(f"{data} has a frame every {store.dt} s, the model every {model.config.dt} s")


def _held_out_frames(model: WorldModel, config: EvaluateConfig) -> FrameStore:
    """The frames to compare with, recorded first if that is asked for."""
    if config.world != "recording":
        if model.config.camera != CameraGeometry():
            raise ValueError(f"worlds are recorded with {CameraGeometry()}, the model has {model.config.camera}")
        record(config.recording(model.config.frame_size))
    store = FrameStore(RolloutDataset(config.data))
    if config.tail < 1:
        _, store = store.split(config.tail)
    _check_fit(store, model, config.data)
    return store


def evaluate(config: EvaluateConfig) -> dict:
    """Evaluate a checkpoint; writes and returns the report.

    Raises:
        ValueError: the recording has other frames or another rate than the model.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    model = WorldModel.load(config.checkpoint, config.device)
    store, rng = _held_out_frames(model, config), np.random.default_rng(config.seed)
    config.out.mkdir(parents=True, exist_ok=True)

    report = {"config": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(config).items()}}
    report["config"]["maps"] = [file.label for file in find_maps(config.maps)]
    report |= _compare_rollouts(model, store, config, rng)
    if config.long_starts:
        report |= _drive_long(model, config, rng)
    layout.write_json(config.out / "report.json", report)
    print(table(report))
    return report


def _compare_rollouts(model: WorldModel, store: FrameStore, config: EvaluateConfig, rng: np.random.Generator) -> dict:
    """Scores of open-loop rollouts beside recordings; writes a plot, a video and a sheet."""
    dt, horizon = model.config.dt, round(config.seconds / model.config.dt)
    positions = choose_starts(store, config.num_starts, model.config.num_context, horizon, rng)
    rollouts = roll_out_recorded(model, store, positions, horizon, config.batch_size, shuffle=False)
    three = min(horizon, round(3.0 / dt))
    shuffled = roll_out_recorded(model, store, positions, three, config.batch_size, shuffle=True)

    actor_map = ActorMap(model.config.camera, model.config.frame_size, dt)
    scores = {
        "pictures": picture_scores(rollouts, dt),
        "features": feature_scores(model.vae, rollouts, dt, np.random.default_rng(config.seed)),
        "actor_pictures": actor_picture_scores(rollouts, actor_map, dt),
        "scene": {name: scene_scores(getattr(rollouts, name), rollouts, dt) for name in ("tracked", "decoded")},
        "controls": control_scores(rollouts, shuffled, dt),
        "events": event_scores(rollouts, dt),
        "trust": trust_scores(rollouts, model.trust),
    }
    if model.full_trust.fitted:
        scores["full_trust"] = trust_scores(rollouts, model.full_trust)

    write_mp4(config.out / "side_by_side.mp4", side_by_side(rollouts, 6), fps=1 / dt)
    pairs = [clip[i] for i in (1, 2, 4) if i < len(positions) for clip in (rollouts.truth, rollouts.frames)]
    write_sheet(config.out / "side_by_side.png", pairs, every=max(1, horizon // 10))
    _plot(config.out / "psnr.png", scores["pictures"]["psnr_curves"], dt)
    return scores


def _drive_long(model: WorldModel, config: EvaluateConfig, rng: np.random.Generator) -> dict:
    """Scores of long closed-loop drives from start clips that have a route; nothing if none has."""
    starts = load_starts((config.checkpoint or DEFAULT_CHECKPOINT) / STARTS_NAME)
    starts = [clip for clip in starts if len(clip.route) > 1]
    if not starts:
        return {}
    dt = model.config.dt
    clips = [starts[k] for k in rng.choice(len(starts), min(config.long_starts, len(starts)), replace=False)]
    drives = long_drives(model, clips, round(config.long_seconds / dt))
    scores = {"stability": stability_scores(drives, clips), "violations": violation_scores(drives, dt)}
    write_mp4(config.out / "long.mp4", np.concatenate(list(drives.frames[:4]), axis=2), fps=1 / dt)
    write_sheet(config.out / "long.png", list(drives.frames[:6]), every=max(1, drives.frames.shape[1] // 12))
    if model.config.dit.num_retrieved:
        scores["loop_closure"] = _close_loops(model, clips[:4], config)
    return scores


def _close_loops(model: WorldModel, clips: list[StartClip], config: EvaluateConfig) -> dict:
    """Scores of loops driven with and without memory; writes a sheet of the same views, a lap apart."""
    route, scores, rows = LoopRoute(), {}, []
    num_steps = round(0.75 * config.long_seconds / model.config.dt)
    least_travelled = 0.6 * route.lap_length
    for name, with_memory in (("without_memory", False), ("with_memory", True)):
        drives = drive_loops(model, clips, route, num_steps, with_memory)
        scores[name] = loop_closure_scores(drives, least_travelled, np.random.default_rng(config.seed))
        rows += view_rows(drives, least_travelled)
    if all(len(row) for row in rows):
        write_sheet(config.out / "loop_closure.png", rows, every=1)
    return scores


def evaluate_tokenizer(model: WorldModel, store: FrameStore, out: Path, num_frames: int = 16) -> None:
    """Reconstruct frames that the tokenizer was not trained on, in clips of `num_frames`; writes tokenizer.json and a
    picture, truth above reconstruction, and prints the PSNR.

    Raises:
        ValueError: no clip is without a gap.
    """
    firsts = FrameWindows(store, num_frames).firsts
    firsts = firsts[:: max(num_frames, len(firsts) // 32)]
    index = firsts[:, None] + np.arange(num_frames)
    truth = np.stack([store.frames[k : k + num_frames] for k in firsts])
    made = reconstruct(model, truth, store.rows.scenes[index])
    values = psnr(made, truth)
    found = {"psnr_db": float(values.mean()), "psnr_worst_db": float(values.min()), "frames": int(values.size)}
    layout.write_json(out / "tokenizer.json", found)
    shown = np.linspace(0, len(firsts) - 1, 6).astype(int)
    write_sheet(out / "tokenizer.png", [truth[shown, -1], made[shown, -1]], every=1)
    print(f"tokenizer on {values.size} held-out frames: {values.mean():.1f} dB, the worst {values.min():.1f} dB")


Row = tuple[str, str, str]
"""Measure, value and target."""


def _picture_rows(report: dict) -> list[Row]:
    pictures = report["pictures"]
    rows = [("drift horizon", f"{pictures['drift_horizon_s']:.1f} s", "≥ 3 s")]
    for seconds, s in pictures["horizons"].items():
        if seconds in ("0.5", "1", "3"):
            text = f"{s['psnr_model']:.1f} / {s['psnr_repeat']:.1f} / {s['psnr_vae']:.1f} dB"
            rows.append((f"PSNR at {seconds} s: model / repeat / VAE", text, "above repeat"))
    return rows


def _feature_rows(report: dict) -> list[Row]:
    rows = []
    for span, s in report["features"]["frechet"].items():
        model, repeat, vae = (s[name] for name in ("model", "repeat", "vae"))
        low, high = model["interval"]
        label = f"Frechet distance of {s['clips']} clips, {span}: model / repeat / VAE"
        text = f"{model['distance']:.3g} ({low:.3g} to {high:.3g}) / {repeat['distance']:.3g} / {vae['distance']:.3g}"
        rows.append((label, text, "below repeat"))
    return rows


def _actor_picture_rows(report: dict) -> list[Row]:
    rows = []
    for seconds, s in report["actor_pictures"].items():
        if seconds in ("1", "3"):
            text = f"{s['model']:.1f} / {s['repeat']:.1f} / {s['vae']:.1f} dB"
            rows.append((f"PSNR on actors at {seconds} s: model / repeat / VAE", text, "above repeat"))
    return rows


def _scene_rows(report: dict) -> list[Row]:
    """What is not known anywhere is nan, and left out."""
    rows = []
    for name in ("tracked", "decoded"):
        at = report["scene"][name].get("2")
        if at is None:
            continue
        objects = f"{100 * at['objects_found']:.0f} % found, {100 * at['objects_right']:.0f} % right"
        rows += [
            (f"lateral offset error at 2 s, {name}", f"{at['lateral_offset_m']:.2f} m", "≤ 0.3 m"),
            (f"heading error at 2 s, {name}", f"{at['heading_deg']:.1f}°", "≤ 3°"),
            (f"lead gap error at 2 s, {name}", f"{100 * at['lead_gap_relative']:.0f} %", "≤ 10 %"),
            (f"lead there or not at 2 s, {name}", f"{100 * at['lead_presence_accuracy']:.0f} % right", ""),
            (f"objects within 30 m at 2 s, {name}", objects, ""),
        ]
    return [row for row in rows if not row[1].startswith("nan")]


def _control_rows(report: dict) -> list[Row]:
    rows = []
    for name, s in report["controls"].items():
        text = f"r = {s['correlation']:.2f}, shuffled controls ×{s['shuffled_over_own_error']:.1f}"
        rows.append((f"{name} follows controls over 3 s", text, "r ≥ 0.9, ×2"))
    return rows


def _event_rows(report: dict) -> list[Row]:
    rows = []
    for name, s in report["events"].items():
        error = s["calibration"]["expected_calibration_error"]
        text = f"{s['auroc']:.2f}, calibration error {error:.3f}"
        rows.append((f"{name} AUROC ({s['positives']} positive frames)", text, "≥ 0.95"))
    return rows


def _trust_rows(report: dict) -> list[Row]:
    rows = []
    for name, label in (("trust", "trust"), ("full_trust", "trust by full signals")):
        if name in report:
            s = report[name]
            text = f"{s['auroc']:.2f}, mean trust {s['mean_of_worst']:.2f} against {s['mean_of_others']:.2f}"
            rows.append((f"{label}: AUROC for the worst twentieth of the frames", text, "≥ 0.8"))
    return rows


def _stability_rows(report: dict) -> list[Row]:
    if "stability" not in report:
        return []
    last = report["stability"]["quarter_4"]
    colours = ", ".join(f"{name} {last[f'{name}_ratio']:.2f}" for name in ("brightness", "contrast", "saturation"))
    lane = f"{last['decoded_lane_error_m']:.2f} m, {last['decoded_heading_error_deg']:.1f}°"
    return [
        ("sharpness at the end of a long drive", f"{last['sharpness_ratio']:.2f} of the start", "near 1"),
        ("colours there, of the start", colours, "near 1"),
        ("decoded lane against the route, there", lane, "≤ 0.3 m, 3°"),
    ]


def _violation_rows(report: dict) -> list[Row]:
    if "violations" not in report:
        return []
    scores, rows = report["violations"], []
    for name, label in (("red_lights_run", "red lights run"), ("stop_signs_missed", "stop signs missed")):
        s = scores.get(name)
        text = "not known" if s is None else f"{s['count']} ({s['per_km']:.1f} per km)"
        rows.append((f"{label} by the lane follower in long drives", text, "0"))
    return rows


def _loop_closure_rows(report: dict) -> list[Row]:
    rows = []
    for name, s in report.get("loop_closure", {}).items():
        if s["pairs"]:
            same, other = s["same_view"], s["other_view"]
            text = f"{same['psnr_db']:.1f} dB, latents {same['latent_rms']:.2f} apart"
            text += f" (another view {other['psnr_db']:.1f} dB, {other['latent_rms']:.2f})"
            rows.append((f"the same view a lap later, {name.replace('_', ' ')}", text, "alike"))
    return rows


SECTIONS: tuple[Callable[[dict], list[Row]], ...] = (
    _picture_rows,
    _feature_rows,
    _actor_picture_rows,
    _scene_rows,
    _control_rows,
    _event_rows,
    _trust_rows,
    _stability_rows,
    _violation_rows,
    _loop_closure_rows,
)
"""Of the table, in this order."""


def table(report: dict) -> str:
    """The report's headline numbers as a Markdown table, without those of which there is no truth."""
    rows = [row for section in SECTIONS for row in section(report)]
    lines = ["| measure | value | target |", "|---|---|---|"] + [f"| {a} | {b} | {c} |" for a, b, c in rows]
    return "\n".join(lines)

"""`drivedit evaluate`: how true the learned world is, against held-out recordings of the reference world."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import torch
from tqdm import tqdm

from envs.centreline import centreline
from envs.video import write_mp4
from policies.rule_based import LaneFollower
from training.rollouts import RolloutDataset
from training.video_metrics import auroc, drift_horizon, psnr, sharpness, ssim
from training.windows import FrameStore
from worldsim.route import route_ahead, to_ground_frame
from worldsim.scene import SceneState, control_from_action
from worldsim.start_clip import StartClip
from worldsim.starts import STARTS_NAME, load_starts
from worldsim.vae3d import frames_to_float, frames_to_uint8
from worldsim.world_model import DEFAULT_CHECKPOINT, WorldModel

mpl.use("Agg")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is compared.

    Args:
        data: recording of towns that training has not seen.
        out: folder for report.json, plots and videos.
        checkpoint: folder of the model, None for the default world.
        num_starts: starts of open-loop rollouts with the recorded controls.
        seconds: length of a rollout [s].
        long_starts: start clips of the checkpoint from which the lane follower drives closed loop, for stability;
            0 leaves them out.
        long_seconds: their length [s].
        batch_size: rollouts side by side.
        device: torch device.
        num_threads: of torch, None leaves it.
        seed: of starts and noise.
    """

    data: Path
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


def choose_starts(store: FrameStore, num: int, num_context: int, horizon: int, rng: np.random.Generator) -> np.ndarray:
    """Store positions [num] of last context frames; a third of them up to 3 s before an episode's last frame,
    where most collisions and departures are.

    Raises:
        ValueError: no episode is long enough.
    """
    lengths = store.lengths
    usable = np.flatnonzero(lengths >= num_context + 10)
    if not len(usable):
        raise ValueError(f"no episode of the data has {num_context + 10} frames")
    chosen = []
    for k in range(num):
        episode = int(rng.choice(usable))
        length = int(lengths[episode])
        low, high = num_context - 1, max(num_context - 1, length - 1 - horizon)
        if k % 3 == 0:
            low, high = max(low, length - 31), length - 6
        chosen.append(int(store.starts[episode]) + int(rng.integers(low, max(low, high) + 1)))
    return np.array(chosen)


def clip_at(store: FrameStore, position: int, num_context: int) -> StartClip:
    """The StartClip whose newest frame is at `position`."""
    rows = slice(position - num_context + 1, position + 1)
    scenes = store.rows.scenes[rows]
    return StartClip(
        frames=np.array(store.frames[rows]),
        controls=store.rows.controls[rows][:-1],
        vehicles=store.rows.vehicles[rows],
        scenes=scenes,
        route=recorded_route(store, position),
        dt=store.dt,
    )


def recorded_route(store: FrameStore, position: int) -> np.ndarray:
    """The route from the frame at `position` on, as the rest of its episode tells it; float32 [r, 2], vehicle frame."""
    episode = int(np.searchsorted(store.starts, position, side="right")) - 1
    rows = slice(position, int(store.starts[episode] + store.lengths[episode]))
    scenes, vehicles = store.rows.scenes[rows], store.rows.vehicles[rows]
    line = list(to_ground_frame(vehicles[0], centreline(scenes[0])[:1]))
    for k in range(len(vehicles)):
        last = k == len(vehicles) - 1
        known = scenes.route[k][scenes.route_valid[k]][: None if last else 1]
        for point in to_ground_frame(vehicles[k], known):
            if np.hypot(*(point - line[-1])) > 1.0:
                line.append(point)
    return route_ahead(np.array(line), vehicles[0], 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollouts:
    """`n` rollouts of `t` steps beside the truth; `valid` is False past an episode's end.

    frames, truth, repeated, reconstructed: uint8 [n, t, h, w, 3]. scenes: as decoded, true_scenes: SceneState [n, t].
    ego: decoded speed and yaw rate [n, t, 2]. collision, off_road and their truth [n, t]. valid [n, t].
    """

    frames: np.ndarray
    truth: np.ndarray
    repeated: np.ndarray
    reconstructed: np.ndarray
    scenes: SceneState
    true_scenes: SceneState
    ego: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray
    true_collision: np.ndarray
    true_off_road: np.ndarray
    valid: np.ndarray


def roll_out_recorded(
    model: WorldModel, store: FrameStore, positions: np.ndarray, horizon: int, batch_size: int, shuffle: bool
) -> Rollouts:
    """Rollouts from `positions` under the recorded controls; with `shuffle` under those of another start."""
    num_context = model.config.num_context
    ends = np.searchsorted(store.starts, positions, side="right") - 1
    last = (store.starts + store.lengths - 1)[ends]
    index = np.minimum(positions[:, None] + 1 + np.arange(horizon), last[:, None])
    valid = positions[:, None] + 1 + np.arange(horizon) <= last[:, None]
    drivers = np.roll(np.arange(len(positions)), 1) if shuffle else np.arange(len(positions))
    controls = store.rows.controls[np.maximum(index[drivers] - 1, 0)]
    frames, scenes, ego, events = [], [], [], []
    title = "rollouts, shuffled controls" if shuffle else "rollouts"
    with tqdm(total=len(positions) * horizon, desc=title, unit="frame") as bar:
        for first in range(0, len(positions), batch_size):
            chosen = positions[first : first + batch_size]
            clips = [clip_at(store, int(p), num_context) for p in chosen]
            state = model.begin(clips, [int(p) for p in chosen])
            steps = []
            for t in range(horizon):
                state, prediction = model.step(state, controls[first : first + len(chosen), t])
                steps.append(prediction)
                bar.update(len(chosen))
            frames.append(np.stack([s.frames for s in steps], axis=1))
            scenes.append(_over_time([s.decoded for s in steps]))
            ego.append(np.stack([s.ego_estimate for s in steps], axis=1))
            events.append(np.stack([[s.collision, s.off_road] for s in steps], axis=-1))
    joined = {name: np.concatenate([s.arrays()[name] for s in scenes]) for name in scenes[0].arrays()}
    collision, off_road = np.concatenate(events, axis=1)
    truth = np.stack([store.frames[i] for i in index])
    repeated = np.stack([np.repeat(store.frames[p][None], horizon, axis=0) for p in positions])
    return Rollouts(
        frames=np.concatenate(frames),
        truth=truth,
        repeated=repeated,
        reconstructed=_reconstruct(model, truth),
        scenes=SceneState(**joined),
        true_scenes=store.rows.scenes[index],
        ego=np.concatenate(ego),
        collision=collision,
        off_road=off_road,
        true_collision=store.rows.collision[index],
        true_off_road=store.rows.off_road[index],
        valid=valid,
    )


def _over_time(steps: list[SceneState]) -> SceneState:
    stacked = SceneState.stack(steps)
    return SceneState(**{name: np.swapaxes(value, 0, 1) for name, value in stacked.arrays().items()})


@torch.no_grad()
def _reconstruct(model: WorldModel, frames: np.ndarray) -> np.ndarray:
    out = []
    for clip in frames:
        latents, _ = model.vae.encode(frames_to_float(torch.from_numpy(clip).to(model.device))[None])
        out.append(frames_to_uint8(model.vae.decode(latents)[0][0]).cpu().numpy())
    return np.stack(out)


def picture_scores(r: Rollouts, dt: float) -> dict:
    """PSNR and SSIM per horizon of the rollouts, of repeating the last context frame and of the VAE alone."""
    masked = {
        name: np.where(r.valid, psnr(frames, r.truth), np.nan)
        for name, frames in (("model", r.frames), ("repeat", r.repeated), ("vae", r.reconstructed))
    }
    scores: dict = {"drift_horizon_s": drift_horizon(masked["model"], masked["repeat"], dt), "horizons": {}}
    for seconds in (0.1, 0.5, 1.0, 2.0, 3.0, 6.0):
        t = round(seconds / dt) - 1
        if t >= r.frames.shape[1] or not r.valid[:, t].any():
            continue
        at = r.valid[:, t]
        scores["horizons"][f"{seconds:g}"] = {
            **{f"psnr_{name}": float(np.nanmedian(values[:, t])) for name, values in masked.items()},
            "ssim_model": ssim(r.frames[at, t], r.truth[at, t]),
            "ssim_repeat": ssim(r.repeated[at, t], r.truth[at, t]),
            "starts": int(at.sum()),
        }
    scores["psnr_curves"] = {name: np.nanmedian(values, axis=0).round(3).tolist() for name, values in masked.items()}
    return scores


def scene_scores(r: Rollouts, dt: float) -> dict:
    """Median errors of the decoded SceneState per horizon."""
    scores = {}
    for seconds in (0.1, 0.5, 1.0, 2.0, 3.0):
        t = round(seconds / dt) - 1
        if t >= r.frames.shape[1]:
            continue
        ours, truth, valid = r.scenes[:, t], r.true_scenes[:, t], r.valid[:, t]
        error = np.abs(ours.lane - truth.lane)
        lane = valid & truth.lane_valid[:, 0]
        lead = valid & truth.lead_valid & ours.lead_valid
        gap = np.abs(ours.lead[:, 0] - truth.lead[:, 0]) / np.maximum(truth.lead[:, 0], 2.0)
        present = np.mean((truth.lead_valid == ours.lead_valid)[valid]) if valid.any() else np.nan
        scores[f"{seconds:g}"] = {
            "lateral_offset_m": _median(error[:, 0][lane]),
            "heading_deg": _median(np.degrees(error[:, 1][lane])),
            "lead_gap_relative": _median(gap[lead]),
            "lead_presence_accuracy": float(present),
            "speed_mps": _median(np.abs(r.ego[:, t, 0] - truth.ego[:, 0])[valid]),
            "yaw_rate_rps": _median(np.abs(r.ego[:, t, 1] - truth.ego[:, 2])[valid]),
        }
    return scores


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def control_scores(r: Rollouts, shuffled: Rollouts, dt: float) -> dict:
    """Does the picture follow the controls: decoded speed and yaw rate over 3 s against the reference's."""
    t = min(r.frames.shape[1], round(3.0 / dt))
    valid = r.valid[:, :t]
    truth = r.true_scenes.ego[:, :t][..., [0, 2]][valid]
    ours, other = r.ego[:, :t][valid], shuffled.ego[:, :t][valid]
    scores = {}
    for k, name in enumerate(("speed", "yaw_rate")):
        error, wrong = np.abs(ours[:, k] - truth[:, k]).mean(), np.abs(other[:, k] - truth[:, k]).mean()
        scores[name] = {
            "correlation": float(np.corrcoef(ours[:, k], truth[:, k])[0, 1]),
            "mean_error": float(error),
            "shuffled_over_own_error": float(wrong / max(error, 1e-9)),
        }
    return scores


def event_scores(r: Rollouts, dt: float) -> dict:
    """AUROC of collision and off-road probabilities on generated frames of the first 3 s."""
    t = min(r.frames.shape[1], round(3.0 / dt))
    valid = r.valid[:, :t]
    return {
        name: {
            "auroc": auroc(ours[:, :t][valid], truth[:, :t][valid] > 0.5),
            "positives": int(truth[:, :t][valid].sum()),
        }
        for name, ours, truth in (
            ("collision", r.collision, r.true_collision),
            ("off_road", r.off_road, r.true_off_road),
        )
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class LongDrives:
    """`n` closed-loop drives of `t` steps.

    frames: uint8 [n, t, h, w, 3]. scenes: as driven by, decoded: as seen in the latents, SceneState [n, t]. off_road:
    probability [n, t].
    """

    frames: np.ndarray
    scenes: SceneState
    decoded: SceneState
    off_road: np.ndarray


def long_drives(model: WorldModel, clips: list[StartClip], num_steps: int) -> LongDrives:
    """The lane follower drives on the SceneState that the world tells."""
    state = model.begin(clips, list(range(len(clips))))
    driver = LaneFollower()
    scene = SceneState.stack([clip.scenes[-1] for clip in clips])
    steps = []
    for _ in tqdm(range(num_steps), desc="long drives", unit="step"):
        actions = np.stack([driver.action(scene[i]) for i in range(len(clips))])
        state, prediction = model.step(state, control_from_action(actions))
        scene = prediction.scene
        steps.append(prediction)
    return LongDrives(
        frames=np.stack([s.frames for s in steps], axis=1),
        scenes=_over_time([s.scene for s in steps]),
        decoded=_over_time([s.decoded for s in steps]),
        off_road=np.stack([s.off_road for s in steps], axis=1),
    )


def stability_scores(drives: LongDrives, clips: list[StartClip]) -> dict:
    """Long drives at quarters of their length: sharpness, colour and motion against their start clips, and whether the
    lane that is seen in the picture lies where the route says (`lane_seen_error_m`, `heading_seen_error_deg`)."""
    frames, scenes, decoded = drives.frames, drives.scenes, drives.decoded
    start_frames = np.stack([clip.frames[-1] for clip in clips])
    base_sharpness, base_colour = sharpness(start_frames).mean(), start_frames.mean((1, 2))
    scores = {}
    t = frames.shape[1]
    for part in range(1, 5):
        at = slice(max(0, part * t // 4 - max(2, t // 20)), part * t // 4)
        now = frames[:, at]
        flat = now.reshape(-1, *now.shape[2:])
        moving = np.abs(np.diff(now.astype(np.int16), axis=1)).mean()
        scores[f"quarter_{part}"] = {
            "sharpness_ratio": float(sharpness(flat).mean() / base_sharpness),
            "colour_shift": float(np.abs(now.mean((1, 2, 3)) - base_colour).mean()),
            "frame_change": float(moving),
            "speed_mps": float(scenes.speed[:, at].mean()),
            "abs_lateral_offset_m": float(np.abs(scenes.lateral_offset[:, at]).mean()),
            "lane_seen_error_m": _median(np.abs(decoded.lateral_offset - scenes.lateral_offset)[:, at].ravel()),
            "heading_seen_error_deg": _median(
                np.degrees(np.abs(decoded.heading_error - scenes.heading_error))[:, at].ravel()
            ),
            "off_road_probability": float(drives.off_road[:, at].mean()),
        }
    return scores


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


def evaluate(config: EvaluateConfig) -> dict:
    """Evaluate a checkpoint; writes and returns the report."""
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    model = WorldModel.load(config.checkpoint, config.device)
    store = FrameStore(RolloutDataset(config.data))
    if store.frames.shape[1:3] != model.config.frame_size:
        raise ValueError(f"{config.data} has frames {store.frames.shape[1:3]}, the model {model.config.frame_size}")
    dt, horizon = model.config.dt, round(config.seconds / model.config.dt)
    rng = np.random.default_rng(config.seed)
    positions = choose_starts(store, config.num_starts, model.config.num_context, horizon, rng)
    rollouts = roll_out_recorded(model, store, positions, horizon, config.batch_size, shuffle=False)
    three = min(horizon, round(3.0 / dt))
    shuffled = roll_out_recorded(model, store, positions, three, config.batch_size, shuffle=True)
    report = {
        "config": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(config).items()},
        "pictures": picture_scores(rollouts, dt),
        "scene": scene_scores(rollouts, dt),
        "controls": control_scores(rollouts, shuffled, dt),
        "events": event_scores(rollouts, dt),
    }
    config.out.mkdir(parents=True, exist_ok=True)
    write_mp4(config.out / "side_by_side.mp4", side_by_side(rollouts, 6), fps=1 / dt)
    pairs = [clip[i] for i in (1, 2, 4) if i < len(positions) for clip in (rollouts.truth, rollouts.frames)]
    write_sheet(config.out / "side_by_side.png", pairs, every=max(1, horizon // 10))
    _plot(config.out / "psnr.png", report["pictures"]["psnr_curves"], dt)
    if config.long_starts:
        shipped = load_starts((config.checkpoint or DEFAULT_CHECKPOINT) / STARTS_NAME)
        clips = [shipped[k] for k in rng.choice(len(shipped), min(config.long_starts, len(shipped)), replace=False)]
        drives = long_drives(model, clips, round(config.long_seconds / dt))
        report["stability"] = stability_scores(drives, clips)
        write_mp4(config.out / "long.mp4", np.concatenate(list(drives.frames[:4]), axis=2), fps=1 / dt)
        write_sheet(config.out / "long.png", list(drives.frames[:6]), every=max(1, drives.frames.shape[1] // 12))
    temporary = config.out / "report.json.tmp"
    temporary.write_text(json.dumps(report, indent=2) + "\n")
    temporary.replace(config.out / "report.json")
    print(table(report))
    return report


def table(report: dict) -> str:
    """The report's headline numbers as a Markdown table."""
    pictures, scene = report["pictures"], report["scene"]
    rows = [("drift horizon", f"{pictures['drift_horizon_s']:.1f} s", "≥ 3 s")]
    for seconds, s in pictures["horizons"].items():
        if seconds in ("0.5", "1", "3"):
            text = f"{s['psnr_model']:.1f} / {s['psnr_repeat']:.1f} / {s['psnr_vae']:.1f} dB"
            rows.append((f"PSNR at {seconds} s: model / repeat / VAE", text, "above repeat"))
    if "2" in scene:
        at = scene["2"]
        rows += [
            ("lateral offset error at 2 s", f"{at['lateral_offset_m']:.2f} m", "≤ 0.3 m"),
            ("heading error at 2 s", f"{at['heading_deg']:.1f}°", "≤ 3°"),
            ("lead gap error at 2 s", f"{100 * at['lead_gap_relative']:.0f} %", "≤ 10 %"),
        ]
    for name, s in report["controls"].items():
        text = f"r = {s['correlation']:.2f}, shuffled controls ×{s['shuffled_over_own_error']:.1f}"
        rows.append((f"{name} follows controls over 3 s", text, "r ≥ 0.9, ×2"))
    for name, s in report["events"].items():
        rows.append((f"{name} AUROC ({s['positives']} positive frames)", f"{s['auroc']:.2f}", "≥ 0.95"))
    if "stability" in report:
        last = report["stability"]["quarter_4"]
        rows.append(("sharpness at the end of a long drive", f"{last['sharpness_ratio']:.2f} of the start", "near 1"))
        lane = f"{last['lane_seen_error_m']:.2f} m, {last['heading_seen_error_deg']:.1f}°"
        rows.append(("lane seen in the picture against the route, there", lane, "≤ 0.3 m, 3°"))
    lines = ["| measure | value | target |", "|---|---|---|"] + [f"| {a} | {b} | {c} |" for a, b, c in rows]
    return "\n".join(lines)

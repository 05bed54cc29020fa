"""The report of an evaluation as a Markdown table: what was measured, what is asked for, and over how many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

Row = tuple[str, str, str, str]
"""Measure, what was measured, what is asked for, and over how many of what it is taken; "" where that was not kept."""

ASKED_PSNR = {"1": 27.0, "3": 25.5, "10": 24.0, "60": 23.5}
ASKED_FOUND, ASKED_LANE_M, ASKED_SPEED_R, ASKED_YAW_RATE_R = 0.75, 0.08, 0.9, 0.97
"""Of what is decoded from true frames."""
MADE_SHARE, MADE_ERROR = 0.9, 1.2
"""Made frames: shares at least so much of those of true frames, errors at most so many times theirs."""
ASKED_FRECHET = 1 / 3
"""Of the distance of repeating."""
ASKED_LOOP_DB = 27.0
ASKED_TRAFFIC = 2.0


def _over(counts: dict, *names: str) -> str:
    """Counts by their names, as far as they were kept."""
    return ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in names if name in counts)


def _psnr_rows(scores: dict) -> Iterator[Row]:
    for seconds, s in scores["psnr"].items():
        text = f"{s['model']:.1f} dB (repeating {s['repeat']:.1f})"
        yield f"PSNR at {seconds} s", text, f"≥ {ASKED_PSNR[seconds]:g} dB", _over(s, "drives")


def _drift_rows(scores: dict) -> Iterator[Row]:
    text = f"{scores['drift_horizon_s']:.1f} s"
    yield "better than repeating the last frame for", text, "all of it", _over(scores, "drives")


def _statistic_rows(scores: dict) -> Iterator[Row]:
    for seconds, s in scores["statistics"].items():
        label = f"sharpness over the truth's at {seconds} s"
        yield label, f"{s['sharpness']['ratio']:.2f}", "0.9 to 1.1", _over(scores["psnr"][seconds], "drives")
    if scores["statistics"]:
        seconds, s = list(scores["statistics"].items())[-1]
        names = ("brightness", "contrast", "saturation")
        ratios = " / ".join(f"{s[name]['ratio']:.2f}" for name in names)
        apart = " / ".join(f"{100 * s[name]['deviation']:.0f} %" for name in names)
        text = f"{ratios} (a drive is off by {apart})"
        label = f"brightness / contrast / saturation over the truth's after {seconds} s"
        yield label, text, "0.95 to 1.05", _over(scores["psnr"][seconds], "drives")


def _frechet_rows(scores: dict) -> Iterator[Row]:
    for span, s in scores["frechet"].items():
        model, repeat = s["model"], s["repeat"]["distance"]
        low, high = model["interval"]
        share = model["distance"] / repeat if repeat else math.nan
        text = f"{model['distance']:.3g} ({low:.3g} to {high:.3g}), {share:.2f} of repeating's {repeat:.3g}"
        label = f"Fréchet distance of {s['clips']} clips, {span} s"
        yield label, text, f"≤ {ASKED_FRECHET:.2f} of repeating's", _over(s, "clips")


def _decoded_rows(scores: dict) -> Iterator[Row]:
    """What is not known anywhere is nan, and left out."""
    true, made = scores["decoded"]["true"], scores["decoded"]["made"]
    users = f"{true['num_users']:,} road users" if "num_users" in true else ""
    pictures = _over(true, "pictures")
    for key, label, asked, is_share, over in (
        ("users_found", "visible road users within 30 m", f"≥ {100 * ASKED_FOUND:.0f} %", True, users),
        ("lane_error_m", "lane error", f"≤ {ASKED_LANE_M:g} m", False, pictures),
        ("speed_correlation", "speed, r", f"≥ {ASKED_SPEED_R:g}", True, pictures),
        ("yaw_rate_correlation", "yaw rate, r", f"≥ {ASKED_YAW_RATE_R:g}", True, pictures),
    ):
        a, b = true[key], made[key]
        if math.isnan(a):
            continue
        ratio = b / a if a else math.nan
        unit = "" if is_share else " m"
        shown = [f"{100 * v:.0f} % found" if key == "users_found" else f"{v:.2f}{unit}" for v in (a, b)]
        limit = f"made ≥ {MADE_SHARE:g} of true" if is_share else f"made ≤ {MADE_ERROR:g} of true"
        text = f"true frames {shown[0]}, made {shown[1]} ({ratio:.2f} of true)"
        yield f"decoded from pictures: {label}", text, f"{asked}; {limit}", over
    if not math.isnan(true["users_right"]):
        text = f"true frames {100 * true['users_right']:.0f} %, made {100 * made['users_right']:.0f} %"
        yield "decoded from pictures: road users within 30 m that are there", text, "", pictures


def picture_rows(report: dict) -> Iterator[Row]:
    """Of drives with road users and lights replayed, then live."""
    for name in ("replayed", "live"):
        scores = report.get(name)
        if scores is None:
            continue
        yield f"{name}: drives", f"{scores['drives']} in {report['towns']} towns", "48 in ≥ 20 towns", ""
        for section in (_psnr_rows, _drift_rows, _statistic_rows, _frechet_rows, _decoded_rows):
            for label, got, asked, over in section(scores):
                yield f"{name}: {label}", got, asked, over
        if name == "live":
            apart = ", ".join(f"{value:.2f} m at {seconds} s" for seconds, value in scores["pose_error_m"].items())
            yield "live: how far the ego is from where it was", apart, "", _over(scores, "drives")


def ablation_rows(report: dict) -> Iterator[Row]:
    """Of drives without something, beside the same drives with everything."""
    for scores in report.get("ablations", {}).values():
        psnr = " / ".join(f"{s['model']:.1f}" for s in scores["psnr"].values())
        sharp = " / ".join(f"{s['sharpness']['ratio']:.2f}" for s in scores["statistics"].values())
        times = " / ".join(scores["psnr"])
        yield f"{scores['title']}: PSNR at {times} s, sharpness", f"{psnr} dB, {sharp}", "", _over(scores, "drives")


def loop_rows(report: dict) -> Iterator[Row]:
    """Of loops."""
    for s in report.get("loops", {}).values():
        if not s["pairs"]:
            continue
        text = f"{s['same_view_db']:.1f} dB (true frames {s['true_same_view_db']:.1f}, other views "
        text += f"{s['other_view_db']:.1f}), {s['truth_db']:.1f} dB from the truth"
        yield f"the same view a lap later, {s['title']}", text, f"≥ {ASKED_LOOP_DB:g} dB", _over(s, "loops", "pairs")


def tracked_rows(report: dict) -> Iterator[Row]:
    """Of what is tracked, against the truth."""
    at = report.get("tracked", {}).get("2")
    if at is None:
        return
    objects = f"{100 * at['objects_found']:.0f} % found, {100 * at['objects_right']:.0f} % right"
    rows = [
        ("lateral offset error", f"{at['lateral_offset_m']:.2f} m", "≤ 0.3 m", "rollouts_in_lane"),
        ("heading error", f"{at['heading_deg']:.1f}°", "≤ 3°", "rollouts_in_lane"),
        ("lead gap error", f"{100 * at['lead_gap_relative']:.0f} %", "≤ 10 %", "rollouts_with_lead"),
        ("lead there or not", f"{100 * at['lead_presence_accuracy']:.0f} % right", "", "rollouts"),
        ("objects within 30 m", objects, "", "objects"),
    ]
    for label, got, asked, count in rows:
        if not got.startswith("nan"):
            yield f"{label} at 2 s, tracked", got, asked, _over(at, count)


def event_rows(report: dict) -> Iterator[Row]:
    """Of collisions and departures from the road."""
    for name, s in report.get("events", {}).items():
        error = s["calibration"]["expected_calibration_error"]
        text = f"{s['auroc']:.2f}, calibration error {error:.3f}"
        yield f"{name} AUROC ({s['positives']} positive frames)", text, "≥ 0.95", _over(s, "frames")


def trust_rows(report: dict) -> Iterator[Row]:
    """Of trust."""
    for name, label in (("trust", "trust"), ("full_trust", "trust by full signals")):
        if name in report:
            s = report[name]
            text = f"{s['auroc']:.2f}, mean trust {s['mean_of_worst']:.2f} against {s['mean_of_others']:.2f}"
            yield f"{label}: AUROC for the worst twentieth of the frames", text, "≥ 0.9", _over(s, "frames")


def violation_rows(report: dict) -> Iterator[Row]:
    """Of closed-loop drives."""
    scores = report.get("violations")
    if scores is None:
        return
    known = f"{scores['known_km']:.1f} km" if "known_km" in scores else ""
    over = ", ".join(filter(None, (_over(scores, "drives"), known)))
    for name, label in (("red_lights_run", "red lights run"), ("stop_signs_missed", "stop signs missed")):
        s = scores.get(name)
        text = "not known" if s is None else f"{s['count']} ({s['per_km']:.1f} per km)"
        yield f"{label} by the lane follower in closed loop", text, "0", over


def realism_rows(report: dict) -> Iterator[Row]:
    """Of road users, between constant velocity and the reference world's own."""
    scores = report.get("realism")
    if scores is None:
        return
    found = {name: scores[name] for name in ("constant_velocity", "learned", "reference") if name in scores}
    titles = {"constant_velocity": "constant velocity", "learned": "learned world", "reference": "reference world"}
    over = _over(scores, "starts", "rollouts", "road_users")
    for key, label in (
        ("meta", "realism of road users, 0 to 1"),
        ("kinematic", "of it kinematic"),
        ("interactive", "interactive"),
        ("map", "map-based"),
    ):
        text = ", ".join(f"{titles[name]} {one[key]:.3f}" for name, one in found.items())
        if key == "meta":
            text += (
                f" (± {scores['learned']['meta_error']:.3f}; {scores['starts']} starts, {scores['rollouts']} rollouts)"
            )
        yield label, text, "towards the reference world's" if key == "meta" else "", over
    for event, label in (("collision", "collide"), ("off_road", "leave the road"), ("red_light", "run a red light")):
        text = ", ".join(f"{titles[name]} {100 * one[f'{event}_rate']:.1f} %" for name, one in found.items())
        yield f"road users that {label} in {scores['seconds']:g} s", text, "", over
    text = ", ".join(f"{titles[name]} {one['min_ade_m']:.1f} m" for name, one in found.items())
    yield "nearest rollout's distance from the recording (minADE)", text, "", over


def traffic_rows(report: dict) -> Iterator[Row]:
    """Of minutes of drives: how road users get along with each other."""
    scores = report.get("traffic")
    if scores is None:
        return
    titles = {"learned": "learned world", "reference": "reference world", "endless": "endless drives"}
    found = {titles[name]: scores[name] for name in titles if name in scores}
    drives = next(iter(found.values()))
    over = f"{drives['drives']} drives in each world"
    texts = {
        f"road users that wait over 60 s, in drives of {drives['minutes']:g} min": [
            f"{title} {one['waited_long']} of {one['vehicles']} in {one['drives']} drives"
            for title, one in found.items()
        ],
        "collisions among road users per vehicle hour": [
            f"{title} {one['collisions_per_vehicle_hour']:.2f} ({one['collisions']} in {one['vehicle_hours']:.1f} h)"
            for title, one in found.items()
        ],
    }
    for label, parts in texts.items():
        yield label, ", ".join(parts), f"≤ {ASKED_TRAFFIC:g} times the reference world's", over
    around = ", ".join(f"{title} {one['vehicles_around']:.1f}" for title, one in found.items())
    yield "vehicles around the ego", around, "", over


SECTIONS: tuple[Callable[[dict], Iterator[Row]], ...] = (
    picture_rows,
    loop_rows,
    ablation_rows,
    tracked_rows,
    event_rows,
    trust_rows,
    violation_rows,
    realism_rows,
    traffic_rows,
)
"""Of the table, in this order."""


def table(report: dict) -> str:
    """The report's headline numbers as a Markdown table, without those of which there is no truth; begins with the seed
    of all starts and noise."""
    rows = [row for section in SECTIONS for row in section(report)]
    if "seed" in report.get("config", {}):
        rows.insert(0, ("seed of starts and noise", str(report["config"]["seed"]), "", ""))
    lines = ["| measure | got | asked | over |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)])

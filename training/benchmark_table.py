"""The rows of `drivedit benchmark` as a table: what each is called, and what is aimed at."""

from __future__ import annotations

from training.road_benchmark import NUM_ENVS
from training.speed_probe import NUM_ENVS as VECTOR_ENVS
from training.speed_probe import NUM_IMAGINED, READ_INTERVAL

BATCH_SIZES = (1, 4, 16)
"""Of the vector envs that are measured."""

VARIANT_LABELS = {
    "joint": "with joint attention",
    "factorised": "with factorised attention",
    "int8": "with int8 weights",
    "bf16": "with networks in bfloat16",
    "graphs": "in bfloat16, as CUDA graphs",
    "compiled": "with compiled networks",
}

TARGETS = {
    "repeats": ("timed calls, of which times are medians; every drive from seed 0", ""),
    "step_gflop": ("GFLOP of an env step", "≤ 3"),
    "step_cpu_seconds_one_thread": ("CPU seconds of an env step, one thread", "≤ 0.05"),
    **{f"step_cpu_seconds_{name}": (f"the same {label}", "") for name, label in VARIANT_LABELS.items()},
    "step_full_trust_over_free": ("CPU seconds of a step with full signals of trust over without", ""),
    "steps_per_second": ("env steps per second, all cores", "≥ 20"),
    **{f"steps_per_second_{name}": (f"the same {label}", "") for name, label in VARIANT_LABELS.items()},
    "steps_per_second_one_sampling_step": ("the same with one sampling step", ""),
    "steps_per_second_without_decoding": ("the same without decoding frames", ""),
    "matrix_product_gflops": ("the machine's own matrix product, GFLOP/s", ""),
    "fraction_of_matrix_product": ("fraction of it that a step reaches", "most"),
    "late_step_over_step_30": ("CPU seconds of a late step (6,000 unless said) over those of step 30", "≤ 1.05"),
    "late_kilometres": ("driven between the two steps, km", ""),
    "cache_speedup": ("KV cache against a 16-frame window", "≥ 10"),
    "cache_difference": ("largest difference of the two", "< 1e-4"),
    "snapshot_ms": ("snapshot, ms", "≤ 5"),
    "slot_difference_levels": ("slot 0 of a batch of 4 against the batch of 1, grey levels", "0"),
    **{f"steps_per_second_of_{n}": (f"vector env of {n}, env steps per second on all cores", "") for n in BATCH_SIZES},
    "road_steps_per_cpu_second": ("reference world, state-only steps per CPU second", ""),
    "road_frames_per_cpu_second": ("the same with camera", ""),
    "road_depth_over_without": ("CPU seconds with depth over without", "≤ 1.4"),
    "road_frames_per_second": ("reference world with camera, frames per second on all cores", "≥ 300"),
    **{
        f"road_vector_{obs}_{num}": (f"its vector env of {NUM_ENVS}, {obs}, steps per second, {where}", "")
        for obs in ("state", "pixels")
        for num, where in [(0, "this process"), (1, "1 process"), *((n, f"{n} processes") for n in range(2, 129))]
    },
    "road_recorded_frames_per_cpu_second": ("recording it, frames per CPU second", ""),
    "road_recorded_mb_per_hour": ("recording of an hour, MB", ""),
    "cold_start_seconds": ("gym.make to first frame from a cold process, s", "≤ 3"),
    "cold_start_cpu_seconds": ("the same, of CPU, which other work beside it hardly changes", ""),
    "step_over_beside": ("CPU seconds of an env step with pixels, over the other checkout's", "≤ 0.65"),
    "step_over_beside_bf16": ("the same with networks in bfloat16 here", "≤ 0.5"),
    "vector_over_beside": (f"vector env of {VECTOR_ENVS} with pixels, steps per CPU second over the other's", "≥ 2"),
    "vector_over_beside_bf16": ("the same with networks in bfloat16 here", ""),
    "imagined_over_beside": (
        f"planner that looks, {NUM_IMAGINED} drives at once, pictures read every {READ_INTERVAL} steps: imagined steps "
        "per CPU second over the other's env steps with pixels",
        "≥ 1.5",
    ),
    "imagined_over_beside_bf16": ("the same with networks in bfloat16 here", "≥ 1.5"),
    "env_megabytes": ("memory of one more env after 100 steps and 50 m, MB", ""),
    "env_memory_over_beside": ("the same over the other checkout's", "≤ 0.5"),
    "cold_start_over_beside": ("CPU seconds of a cold start over the other checkout's", ""),
}


def table(rows: dict[str, float]) -> str:
    """The rows measured as a Markdown table, in the order of TARGETS."""
    lines = [f"| {label} | {rows[name]:.3g} | {target} |" for name, (label, target) in TARGETS.items() if name in rows]
    return "\n".join(["| measure | value | target |", "|---|---|---|", *lines])

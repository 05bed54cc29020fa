"""How well a student goes on with clips, and how fast."""

from training.evaluation.clip_rollouts import (
    PerformanceBenchmark,
    SequenceEvaluator,
    WorldModelBenchmark,
    compute_all_metrics,
)

__all__ = ["PerformanceBenchmark", "SequenceEvaluator", "WorldModelBenchmark", "compute_all_metrics"]

"""Trainers of a student on clips with controls."""

from training.stages.clip_trainers import DistillationTrainer, SelfForcingTrainer

__all__ = ["DistillationTrainer", "SelfForcingTrainer"]

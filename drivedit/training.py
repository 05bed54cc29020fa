"""Trainers of an autoencoder and of a student on clips with controls."""

from training.stages.clip_trainers import DistillationTrainer, SelfForcingTrainer
from training.stages.video_vae import VAETrainer

__all__ = ["DistillationTrainer", "SelfForcingTrainer", "VAETrainer"]

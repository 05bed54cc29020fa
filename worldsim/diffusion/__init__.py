"""Paths from noise to data, what networks predict on them, samplers, guidance, losses: one interface for all models."""

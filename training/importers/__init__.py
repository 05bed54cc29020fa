"""Recordings made elsewhere as rollouts: one reader a format, one resampling and one conversion for all."""

"""Recorded rollouts on disk, and how they are read."""

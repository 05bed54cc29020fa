"""Drives to learn from: rollouts and start clips of the reference world, and the vehicle model fitted to drives."""

"""Driving in the reference world to learn from: rollouts, start clips, the vehicle model."""

"""Gymnasium from here up: the worlds, the env that wraps any of them, the viewer."""

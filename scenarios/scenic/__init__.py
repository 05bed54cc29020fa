"""Scenic programs in these worlds. Only what imports `scenic` needs it installed, in an environment of its own."""

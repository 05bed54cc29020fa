"""How good a learned world is, against recordings."""

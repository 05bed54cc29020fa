"""The learned world: what it tracks, draws, generates and reads off its pictures. Importing it loads no torch."""

"""The learned world: what it tracks, draws, generates and reads, and the state that crosses packages. Importing it loads no
torch."""

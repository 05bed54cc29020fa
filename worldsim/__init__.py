"""The learned world: latents, dynamics, heads and the state that crosses packages. Importing it loads no torch."""

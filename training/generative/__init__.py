"""The generative workshop: recipes of generators of pictures and clips, their training, and what they make."""

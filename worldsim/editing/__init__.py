"""Changes of what stands beside and on the road, as values, and what a world looks like after them."""

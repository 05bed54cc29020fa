"""The learned world."""

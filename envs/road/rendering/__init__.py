"""The camera of the reference simulator."""

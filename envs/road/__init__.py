"""The reference simulator."""

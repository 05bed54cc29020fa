"""The embedded reference simulator."""

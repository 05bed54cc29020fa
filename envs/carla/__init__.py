"""A CARLA server as a world."""

"""Pixel planners: small networks that imitate the lane follower from camera frames, speed and route command."""

"""The pygame viewer: drive a world by hand and look at what it knows."""

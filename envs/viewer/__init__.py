"""The viewer: drive a world by hand and look at what it knows, in a pygame window or in a browser."""

"""What the dynamics are conditioned on, drawn into the camera: motion, route, actors, style."""

"""Who else is on the road: vehicles, pedestrians, how they drive."""

"""Values that cross packages, in numpy alone: scenes, vehicles, routes, start clips."""

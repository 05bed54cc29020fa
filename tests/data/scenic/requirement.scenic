"""Requires what no drive keeps to: the ego within 10 m of where it began."""
model drivedit.model

ego = new Car at (500 @ -1.75), facing -90 deg, with speed 10
require always (distance from ego to (500 @ -1.75)) < 10
terminate after 3 seconds

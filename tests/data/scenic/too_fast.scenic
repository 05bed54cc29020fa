"""An ego that comes at right angles to its lane and so is not where it is put."""
model drivedit.model

ego = new Car at (500 @ -1.75), facing -45 deg, with speed 15
terminate after 1 seconds

"""The ego takes an action that these worlds do not know."""
model drivedit.model

behavior Jump():
    take SetPositionAction(5 @ 5)

ego = new Car at (500 @ -1.75), facing -90 deg, with behavior Jump
terminate after 1 seconds

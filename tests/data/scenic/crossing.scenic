"""A pedestrian walks north from beside the road, and a prop stands."""
model drivedit.model

behavior Walk():
    take SetWalkingDirectionAction(0), SetWalkingSpeedAction(1.5)

ego = new Car at (500 @ -1.75), facing -90 deg, with speed 5
walker = new Pedestrian at (530 @ -9), facing 90 deg, with regionContainedIn None, with behavior Walk
cone = new Prop at (550 @ -5)
truck = new Truck at (540 @ 1.75), facing 90 deg, with speed 8, with behavior ConstantThrottleBehavior(0.4)
terminate after 3 seconds

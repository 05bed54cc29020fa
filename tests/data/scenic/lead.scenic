"""A car ahead in the ego's lane brakes after a second."""
model drivedit.model

param gap = Range(12, 20)

behavior Brake():
    while simulation().currentTime < 10:
        wait
    take SetBrakeAction(1)

place = new OrientedPoint at (Range(100, 900) @ -1.75), facing -90 deg
ego = new Car at place, with speed 10, with behavior ConstantThrottleBehavior(0.4)
lead = new Car ahead of ego by globalParameters.gap, with speed 10, with behavior Brake

record final (distance from ego to lead) as apart
terminate after 5 seconds

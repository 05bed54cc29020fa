"""A pedestrian walks across the road when the ego comes near."""

model drivedit.model

param walking_speed = Range(1, 2)
param notice = Range(15, 30)

behavior CrossWhenNear(other, distance_to_go):
    do WaitUntilNear(other, distance_to_go)
    take SetWalkingSpeedAction(globalParameters.walking_speed)
    while True:
        wait

behavior WaitUntilNear(other, near):
    while (distance from self to other) > near:
        wait

ego = new Car on Uniform(*network.lanes).centerline, with speed 8
kerb = new OrientedPoint ahead of ego by Range(30, 40), facing ego.heading
walker = new Pedestrian right of kerb by Range(2.5, 3.5),
    facing ego.heading + 90 deg,
    with regionContainedIn None,
    with behavior CrossWhenNear(ego, globalParameters.notice)

terminate after 8 seconds

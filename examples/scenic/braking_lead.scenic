"""A car ahead brakes to a standstill: drivedit validate --scenarios braking_lead.scenic --maps MAP.xodr"""

model drivedit.model

param gap = Range(10, 25)
param brake_after = Range(1, 3)

behavior DriveThenBrake(seconds):
    try:
        do FollowLaneBehavior(target_speed=8)
    interrupt when simulation().currentRealTime > seconds:
        take SetThrottleAction(0), SetBrakeAction(1)

place = new OrientedPoint on Uniform(*network.lanes).centerline

ego = new Car at place, with speed 8, with behavior FollowLaneBehavior(target_speed=8)
lead = new Car following roadDirection from ego for globalParameters.gap + 4.6,
    with speed 8,
    with behavior DriveThenBrake(globalParameters.brake_after)

require (distance from ego to intersection) > 60
record final (distance from ego to lead) - 4.6 as gap
terminate after 8 seconds

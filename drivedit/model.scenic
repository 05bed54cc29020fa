"""Scenic world model of DriveDiT's worlds: `model drivedit.model`, or `-m drivedit.model` on the command line.

Vehicles obey their pedals and steering by the ego's vehicle model, pedestrians walk the way that they face, props stand.
Actions and behaviors are those of Scenic's driving domain.

Global Parameters:
    map (str or Path): an OpenDRIVE file; roads on which traffic keeps to the left are refused.
    world (str): "road", the reference world, or "learned". Default "road".
    policy (str): who drives the ego: a policy as for `drivedit validate`, or "scenic", the program's own behavior, the
        default.
    traffic (bool): whether the map's own traffic is there too. Default False.
    duration (float): longest drive [s]; at most, and by default, 60.
    min_progress (float): what a pass needs [m]. Default 0.
    max_red_lights (int): stop lines that may be crossed on red; None, the default, does not ask.
    max_stop_signs (int): stop signs that may be passed without a stop; likewise.
"""

from scenarios.scenic.maps import check_map

if "map" in globalParameters:
    check_map(globalParameters.map)

param use2DMap = True  # all that Scenic can read

from scenic.domains.driving.model import *

from scenarios.scenic.simulator import DriveditSimulator

param world = "road"
param policy = "scenic"
param traffic = False
param duration = 60
param min_progress = 0
param max_red_lights = None
param max_stop_signs = None

simulator DriveditSimulator()


class DriveditObject(DrivingObject):
    """Something in these worlds.

    Properties:
        body: what moves it in the course of a simulation.
    """
    body: None

    def setPosition(self, pos, elevation):
        self.body.place(pos[0], pos[1])

    def setVelocity(self, vel):
        self.body.move(vel[0], vel[1])

class Vehicle(Vehicle, DriveditObject, Steers):
    """A vehicle of the size of the worlds' ego."""
    length: 4.6
    width: 1.9

    def setThrottle(self, throttle):
        self.body.throttle = throttle

    def setSteering(self, steering):
        self.body.steer = steering

    def setBraking(self, braking):
        self.body.brake = braking

    def setHandbrake(self, handbrake):
        self.body.hand_brake = handbrake

    def setReverse(self, reverse):
        self.body.reverse = reverse

class Car(Vehicle):
    """A car.

    Properties:
        route: for an ego that a policy drives, the network's lanes that it is to take, the one that it starts on first;
            None leaves them to the seed.
    """
    bodyKind: "car"
    route: None

    @property
    def isCar(self):
        return True

class NPCCar(Car):
    """A car; here like any other."""
    pass

class Truck(Vehicle):
    """A truck."""
    bodyKind: "truck"
    length: 8
    width: 2.5

class Pedestrian(Pedestrian, DriveditObject, Walks):
    """A pedestrian."""
    bodyKind: "pedestrian"

    def setWalkingDirection(self, heading):
        self.body.face(heading)

    def setWalkingSpeed(self, speed):
        self.body.speed = speed

class Prop(DriveditObject):
    """A thing on or beside the road, which stands there."""
    bodyKind: "prop"
    regionContainedIn: None
    position: new Point on road
    parentOrientation: Range(0, 360) deg
    length: 0.5
    width: 0.5

class Trash(Prop):
    """As the world model of Scenic's CARLA interface calls it."""
    pass

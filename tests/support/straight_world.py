"""One straight lane and the scripted actors of a case, without scenery: a world in which a case takes milliseconds."""

from types import SimpleNamespace

import numpy as np

from envs.ground_truth import Objects, scene_from_truth
from envs.world import WorldStep
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleModel

MODEL = VehicleModel()


class StraightRoute:
    """1 km along x."""

    length = 1000.0
    points = np.stack([np.arange(1001.0), np.zeros(1001)], axis=-1)
    yaw = np.zeros(1001)
    half_width = np.full(1001, 1.75)
    speed_limit = np.full(1001, 14.0)
    command = np.zeros(1001, np.int64)

    def project(self, xy, hint_s=None):
        return float(xy[0]), float(xy[1]), 0.0


class StraightWorld:
    """One straight lane and the scripted actors of a case, with exact truth and grey frames."""

    frame_size = (32, 32)
    dt = 0.1
    num_context = 8

    def reset(self, seed, options):
        self.route, self.past, self.time = StraightRoute(), [], -(self.num_context - 1) * self.dt
        if "start_clip" in options:
            clip = options["start_clip"]
            self.vehicle, self.actors, self.scripts = clip.vehicles[-1].copy(), [], ()
            self.past = [(clip.frames[i], clip.vehicles[i], clip.scenes[i]) for i in range(len(clip.frames))]
            return self.answer(0.0)
        scenario = options["scripted_actors"]
        self.vehicle = np.array([50.0, 0, 0, scenario.ego_speed, 0, 0])
        self.scripts = scenario.scripts
        self.actors = [script.initial(self.route, 50.0) for script in self.scripts]
        step = self.answer(0.0)
        hold = MODEL.acceleration_command(0.0, scenario.ego_speed)
        while self.time < -1e-9:
            step = self.step(np.array([0, hold, 0, 0], np.float32))
        return step

    def step(self, control):
        ego = SimpleNamespace(s=self.vehicle[0], lateral=self.vehicle[1], speed=self.vehicle[3])
        self.actors = [sc.step(self.time, ego, a, self.dt) for sc, a in zip(self.scripts, self.actors, strict=True)]
        before = self.vehicle[0]
        self.vehicle = MODEL.step(self.vehicle, control, self.dt)
        self.time += self.dt
        return self.answer(float(self.vehicle[0] - before))

    def answer(self, progress):
        rows = [[a.s, a.lateral, a.heading, a.length, a.width] for a in self.actors]
        objects = Objects(
            boxes=np.array(rows).reshape(-1, 5),
            speeds=np.array([a.speed for a in self.actors], np.float64),
            kinds=np.array([a.kind for a in self.actors], np.int64),
        )
        scene = scene_from_truth(vehicle=self.vehicle, model=MODEL, route=self.route, objects=objects)
        frame = np.full((32, 32, 3), 128, np.uint8)
        self.past = [*self.past, (frame, self.vehicle, scene)][-self.num_context :]
        hit = scene.object_valid & (np.abs(scene.objects[:, 1]) < (1.9 + scene.objects[:, 5]) / 2)
        hit &= np.abs(scene.objects[:, 0]) < (4.6 + scene.objects[:, 4]) / 2
        return WorldStep(
            scene=scene,
            vehicle=self.vehicle,
            collision=float(hit.any()),
            off_road=float(abs(self.vehicle[1]) > 1.75),
            wrong_way=False,
            progress=progress,
            info={},
        )

    def frame(self):
        return self.past[-1][0]

    def start_clip(self, *, pictures=True):
        frames, vehicles, scenes = zip(*self.past, strict=True)
        return StartClip(
            frames=np.stack(frames),
            controls=np.zeros((len(frames) - 1, 4), np.float32),
            vehicles=np.stack(vehicles),
            scenes=SceneState.stack(scenes),
            route=np.zeros((2, 2), np.float32),
            dt=self.dt,
        )

    def snapshot(self):
        return dict(vars(self))  # what is in them is never written to

    def restore(self, snapshot):
        vars(self).update(snapshot)

    def close(self):
        pass

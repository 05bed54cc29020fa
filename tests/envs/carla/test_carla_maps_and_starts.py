"""What CarlaWorld hands to a server and makes of its answers, without one."""

import numpy as np
import pytest

from envs.carla.carla_world import CarlaWorld
from envs.carla.config import CarlaWorldConfig
from envs.carla.messages import CarlaMoment, MapFacts, MapSignals
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind

pytest.importorskip("carla")
from small_maps import lane, opendrive, road, section

STREET = opendrive(road("0", 300, [section(0, lane(1), lane(-1))]))
BUMP = opendrive(
    road("a", 300, [section(0, lane(-1))], objects='<object id="b" name="speed_bump_1" s="50" t="0" zOffset="0"/>')
)


class Server:
    """A server with a street along x and a red light at its stop line at x = 14; the ego drives 2 m a frame."""

    alive = True

    def __init__(self, *_: object) -> None:
        signals = MapSignals(
            poses=np.array([[14.0, -1.75, 0.0]]),
            kinds=np.array([1]),
            lights=np.array([0]),
            greens=np.array([10.0]),
            yellows=np.array([3.0]),
        )
        self.map_facts = MapFacts(
            name="Street",
            xodr=STREET,
            spawns=np.array([[10.0, -1.75, 0.0]]),
            spawn_heights=np.array([0.5]),
            signals=signals,
        )
        self.given: list[str] = []
        self.x = 10.0

    def call(self, name: str, *arguments, seconds: float):
        if name in ("load_opendrive", "load_map"):
            self.given.append(arguments[0])
            return self.map_facts
        self.x += 2.0 if name == "step" else 0.0
        return CarlaMoment(
            number=0,
            image=np.zeros((16, 16, 3), np.uint8),
            sensors={},
            vehicle=np.array([self.x, -1.75, 0.0, 20.0, 0.0, 0.0]),
            yaw_rate=0.0,
            size=(4.0, 1.8),
            road_users=KnownRoadUsers.none(),
            user_ids=np.zeros(0, np.int64),
            z=0.0,
            pitch=0.0,
            sun_direction=np.array([0.0, 0.0, 1.0]),
            collided_with=ObjectKind.EMPTY,
            lane_invasions=(),
            lights=np.array([int(SignalKind.RED)]),
        )

    def close(self) -> None:
        pass


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr("envs.carla.process.CarlaProcess", Server)
    return CarlaWorld(CarlaWorldConfig(frame_size=(16, 16), num_context=3))


def test_a_red_light_run_on_the_way_to_the_start_is_no_infraction_of_the_episode(world):
    start = world.reset(0, {})
    assert world._episode.signals.now.red_light  # in the last step of the context, from 14 to 16 m with its front
    assert not start.red_light
    assert not start.stop_sign_missed


def test_the_server_is_given_maps_in_the_form_that_carlas_parser_reads(world, tmp_path):
    world.reset(0, {"map": BUMP})
    path = tmp_path / "umlaut.xodr"
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>' + BUMP.partition("?>")[2].replace('name=""', 'name="Straße"')
    path.write_bytes(text.encode("latin-1"))
    world.reset(0, {"map": str(path)})
    given = world._process.given
    assert all('name="speed_bump_1"' not in xodr for xodr in given)
    assert "Straße" in given[1]


def test_a_map_that_is_none_never_reaches_the_server(world):
    with pytest.raises(ValueError, match="OpenDRIVE"):
        world.reset(0, {"map": "<kml/>"})
    assert world._process.given == []

"""The bridge server: one task answers requests in their order and computes frames between them."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
import traceback
from collections.abc import Iterable
from typing import Any

from envs.carla.versions import WireLayout
from envs.carla_bridge import messages, readings
from envs.carla_bridge.actor_records import actor_records, sensor_transform
from envs.carla_bridge.actor_registry import ActorRegistry
from envs.carla_bridge.bridge_actor import BridgeActor
from envs.carla_bridge.faults import Fault, Faults
from envs.carla_bridge.messages import Stamp
from envs.carla_bridge.rpc import Method, RefusedError, Request, Requests
from envs.carla_bridge.simulation import Simulation, Tick
from envs.carla_bridge.streams import EPISODE_STREAM, Streams
from worldsim.datatypes.vehicle import VehicleColumn

SHORTEST_TICK = 0.002
"""A frame is published this long after its cue at the earliest: faster servers dead-lock the 0.9.16 client's Traffic
Manager (carla issue 9172) [s]."""
BREATH = 0.001
"""Shortest wait for requests between frames that come unasked [s]."""
SUBSCRIPTION_TIMEOUT = 0.5
"""Longest that a frame waits for a client that has asked for a stream's token to subscribe [s]."""
STALL_TIMEOUT = 3.0
"""Longest that a frame of synchronous mode waits for a client to read the previous ones [s]: others' calls wait too,
and they give up after 5 s or more."""
MOST_REFUSALS = 1000
"""So many different refusals are remembered, and not told again [1]."""


class Bridge:
    """Serves a simulation.

    Args:
        simulation: the world.
        layout: version to speak.
        faults: what is to go wrong.
    """

    def __init__(self, simulation: Simulation, layout: WireLayout, faults: Iterable[Fault]) -> None:
        self.simulation, self.layout = simulation, layout
        self.registry = ActorRegistry(simulation, layout)
        self.streams, self.faults = Streams(), Faults(faults)
        self.settings: dict[str, Any] = dict(layout.settings)
        self.weather = [0.0] * len(layout.weather)
        self.frame, self.seconds, self.episode = 1, 0.0, 1
        self.traffic_managers: dict[int, list] = {}
        self._map_changed = False
        self._refused: set[str] = set()
        self._requests = Requests()
        self._cued = False
        self._methods: dict[str, Method] = {}

    async def run(self, host: str, port: int, methods: dict[str, Method]) -> None:
        """Serve until cancelled. Prints `serving on HOST:PORT` when clients may come.

        Args:
            host: address to bind.
            port: of the RPC; 0 lets the system choose. The streams get the next port, or any when that is taken.
            methods: what clients may call.

        Raises:
            OSError: the port is taken.
        """
        self._methods = methods
        rpc = await asyncio.start_server(self._requests.read, host, port)
        port = rpc.sockets[0].getsockname()[1]
        try:
            stream = await asyncio.start_server(self.streams.serve, host, port + 1)
        except (OSError, OverflowError):
            stream = await asyncio.start_server(self.streams.serve, host, 0)
        self.registry.stream_port = stream.sockets[0].getsockname()[1]
        print(f"serving {self.simulation.map_name} on {host}:{port}", flush=True)
        next_frame = time.monotonic()
        while True:
            free_running = not self.settings["synchronous_mode"]
            left = next_frame - time.monotonic()
            await self._answer(await self._requests.next(max(left, BREATH) if free_running else None))
            for _ in range(self._requests.num_waiting):  # also when frames take longer than they last
                await self._answer(await self._requests.next(None))
            now = time.monotonic()
            if self.settings["synchronous_mode"]:
                next_frame = now
            elif now >= next_frame:
                next_frame = max(next_frame + self.simulation.dt, now)
                await self._compute_frame()

    def cue(self) -> int:
        """A client asks for the next frame: its number. Without synchronous mode frames come unasked."""
        if not self.settings["synchronous_mode"]:
            return self.frame
        self._cued = True
        return self.frame + 1

    def new_episode(self) -> None:
        """The map has changed: whatever clients have spawned is gone, and the next frame says so."""
        self.registry.clear()
        self.registry.enter_map()
        self.episode += 1
        self._map_changed = True

    async def _answer(self, request: Request | None) -> None:
        if request is None or request.client.thrown_out:
            return
        method = self._methods.get(request.method) if isinstance(request.method, str) else None
        if method is None:
            name = f"{request.method!s:.80}"
            self.refuse(name, RefusedError("unknown method"))
            request.fail(f"unknown method {name}")
        elif self.faults.take("rpc_error", request.method):
            request.answer(method.wrap_error(f"injected error in {request.method}"))
        else:
            self._call(method, request)
        if self._cued:
            self._cued = False
            await self._compute_frame()

    def refuse(self, what: str, error: Exception) -> None:
        """Tell in the server's window what was refused, for many calls are not waited for; the same thing once."""
        line = f"refused {what}: {error}"
        if line not in self._refused:
            if len(self._refused) == MOST_REFUSALS:
                self._refused.clear()
            self._refused.add(line)
            print(line, file=sys.stderr, flush=True)

    def _call(self, method: Method, request: Request) -> None:
        self.registry.client = request.client.writer
        try:
            request.answer(self._result(method, request))
        except Exception:  # a bug here must not end the world for all clients; what the client gets says so
            traceback.print_exc()
            request.fail(f"{request.method} failed in the server")

    def _result(self, method: Method, request: Request) -> Any:
        try:
            return method.wrap(method.call(*request.args[1:]))
        except (RefusedError, ValueError) as error:
            self.refuse(request.method, error)
            return method.wrap_error(str(error))

    async def _compute_frame(self) -> None:
        begun = time.monotonic()
        await self.streams.wait_for_expected(SUBSCRIPTION_TIMEOUT)
        tick = self._step_world()
        self.frame, self.seconds = self.frame + 1, self.seconds + self.simulation.dt
        if late := self.faults.take("late_frame"):
            await asyncio.sleep(late.seconds)
        await asyncio.sleep(max(0.0, SHORTEST_TICK - (time.monotonic() - begun)))
        self._publish(tick)
        if self.settings["synchronous_mode"]:  # else who is behind misses frames
            await self.streams.drain(STALL_TIMEOUT)

    def _step_world(self) -> Tick | None:
        """The state after the next step; None without an ego, with which goes a world that cannot take that step."""
        try:
            self.registry.move_spawned()
            if self.registry.ego is None:
                return None
            self.faults.count_frame()
            self.simulation.place(self.registry.spawned_actors())
            self.drive_ego(self.registry.ego)
            return self.simulation.observe()
        except Exception:
            traceback.print_exc()
            print("the world cannot go on: all that clients have spawned is taken away", file=sys.stderr, flush=True)
            self.registry.clear()
            return None

    def drive_ego(self, ego: BridgeActor) -> None:
        """A step of the world under what clients ask of the ego."""
        simulation = self.simulation
        vehicle = simulation.observe().vehicle
        if ego.held_speed is not None and ego.held_speed != vehicle[VehicleColumn.SPEED]:
            simulation.set_speed(ego.held_speed)
        simulation.step(ego.next_control(vehicle, simulation.model, simulation.dt))

    def _publish(self, tick: Tick | None) -> None:
        may_drop = not self.settings["synchronous_mode"]
        records = actor_records(self.registry, tick)
        stamp = Stamp(frame=self.frame, seconds=self.seconds)
        state = messages.episode_state(self.layout, stamp, self.episode, self.simulation.dt, self._map_changed, records)
        self._map_changed = False
        self.streams.send(EPISODE_STREAM, state, may_drop=may_drop)
        if tick is not None:
            for sensor in list(self.registry.sensors.values()):
                if self.streams.has_subscribers(sensor.id) and self._is_due(sensor):
                    try:
                        self._send_reading(sensor, tick, may_drop)
                    except Exception:  # of one sensor; the others' frames are due
                        traceback.print_exc()

    def _is_due(self, sensor: BridgeActor) -> bool:
        """Whether the sensor's period ends in this frame."""
        period, dt = sensor.period(), self.simulation.dt
        return period <= dt or int(self.seconds / period + 1e-6) > int((self.seconds - dt) / period + 1e-6)

    def _send_reading(self, sensor: BridgeActor, tick: Tick, may_drop: bool) -> None:
        location, rotation = sensor_transform(sensor, tick)
        stamp = Stamp(frame=self.frame, seconds=self.seconds, location=location, rotation=rotation)
        payload = readings.reading(self.layout, self.simulation, self.registry, sensor, tick, stamp)
        if payload is None:
            return
        if sensor.view is not None:
            if self.faults.take("dropped_image"):
                return
            if late := self.faults.take("late_image"):
                loop = asyncio.get_running_loop()
                loop.call_later(late.seconds, lambda: self.streams.send(sensor.id, payload, may_drop=False))
                return
        times = 2 if sensor.view is not None and self.faults.take("duplicated_image") else 1
        for _ in itertools.repeat(None, times):
            self.streams.send(sensor.id, payload, may_drop=may_drop)

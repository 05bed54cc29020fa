"""DriverConnection: calls of a driver's gRPC service, each with a deadline, and what goes wrong with them in words."""

from __future__ import annotations

import uuid
import weakref
from contextlib import suppress
from typing import Any, cast

import grpc
from carla_driver_interface import contract, protocol

from policies.alpasim.address import DriverAddress
from policies.policy_error import PolicyError

CLOSE_SECONDS = 2.0
"""Longest that a driver is waited for when its session is closed [s]."""
OLD_DRIVERS = "-carla-driver-interface-1."
"""In the version of a driver that declares no contract revision, and speaks the first one. Any other that declares none
is AlpaSim's own, whose convention is the second."""


class DriverConnection:
    """A connection to a driver, and a session of it.

    gRPC has threads that do not live through a fork: it is made in the process that drives.

    Args:
        address: of the driver.
    """

    def __init__(self, address: DriverAddress) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(str(address), options=protocol.channel_options())
        self._stub = protocol.EgodriverServiceStub(self._channel)
        self._end = weakref.finalize(self, self._channel.close)
        self.session = ""

    def begin(self, seed: int, scene: str, cameras: list[protocol.AvailableCamera]) -> None:
        """Begin a session; one that is open is closed first.

        Args:
            seed: of the driver's randomness.
            scene: what the start is called, for the driver's log.
            cameras: whose pictures will be sent, of contract revision 2.

        Raises:
            PolicyError: the driver fails, or speaks a revision of the contract that is not known.
        """
        self.close()
        version, call = self._call("get_version", protocol.Empty(), 0)
        legacy = OLD_DRIVERS in version.version_id
        default = contract.LEGACY_REVISION if legacy else contract.CONTRACT_REVISION
        try:
            revision = contract.read_revision(call.initial_metadata(), default)
        except contract.ContractError as error:
            raise PolicyError(f"has the driver {version.version_id!r} at {self.address}: {error}", 0) from error

        session = str(uuid.uuid4())
        request = protocol.DriveSessionRequest(session_uuid=session, random_seed=seed)
        request.debug_info.scene_id = scene
        declared = contract.cameras_to_revision(cameras, contract.CONTRACT_REVISION, revision)
        request.rollout_spec.vehicle.available_cameras.extend(declared)
        self._call("start_session", request, 0, contract.contract_metadata(revision))
        self.session = session
        self._end.detach()
        self._end = weakref.finalize(self, _close, self._stub, self._channel, session)

    def call(self, name: str, request: Any, step: int) -> Any:
        """What the driver answers to the call `name`, after `step` steps.

        Raises:
            PolicyError: nothing within the deadline, or an error.
        """
        return self._call(name, request, step)[0]

    def close(self) -> None:
        """End the session, if there is one; a driver that does not hear it is no matter."""
        if self.session:
            _close_session(self._stub, self.session)
            self.session = ""

    def _call(
        self, name: str, request: Any, step: int, metadata: tuple[tuple[str, str], ...] = ()
    ) -> tuple[Any, grpc.Call]:
        try:
            method = getattr(self._stub, name)
            return method.with_call(request, timeout=self.address.deadline, metadata=metadata)
        except grpc.RpcError as error:
            raise PolicyError(self._describe(name, cast("grpc.Call", error)), step) from error

    def _describe(self, name: str, error: grpc.Call) -> str:
        code, details = error.code(), " ".join(str(error.details()).split())
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            limit = f"{self.address.deadline:g} s"
            return f"had no answer from its driver at {self.address}: `{name}` was asked, and not answered in {limit}"
        if code == grpc.StatusCode.UNAVAILABLE:
            return f"lost its driver at {self.address}: `{name}` was asked, and there is no connection: {details}"
        return f"had an error of its driver at {self.address}: `{name}` was asked: {code.name}: {details}"


def _close_session(stub: protocol.EgodriverServiceStub, session: str) -> None:
    with suppress(grpc.RpcError, ValueError):  # the latter of a channel that is closed
        stub.close_session(protocol.DriveSessionCloseRequest(session_uuid=session), timeout=CLOSE_SECONDS)


def _close(stub: protocol.EgodriverServiceStub, channel: grpc.Channel, session: str) -> None:
    _close_session(stub, session)
    channel.close()

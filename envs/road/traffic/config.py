"""How much traffic there is and where."""

from __future__ import annotations

from dataclasses import dataclass

from envs.road.traffic.driver_model import DriverConfig


@dataclass(frozen=True, kw_only=True)
class TrafficConfig:
    """How much traffic there is and where.

    Args:
        num_vehicles: driving vehicles around the ego.
        num_pedestrians: around the ego.
        parked_share: of the map's parking places that are taken, [0, 1].
        truck_share: of the driving vehicles, [0, 1].
        spawn_range: road users first appear at this distance from the ego [m].
        respawn_range: road users appear later at this distance [m].
        leave_range: road users farther from the ego are taken away [m].
        patience: drivers standing longer are taken away when out of spawn_range's lower end [s].
        lead_share: episodes that begin with a vehicle ahead of the ego in its lane, [0, 1].
        lane_changes: considered per second, all vehicles together [1/s].
        driver: how they drive.

    Raises:
        ValueError: a count is negative, a share is outside [0, 1] or a range is empty.
    """

    num_vehicles: int = 12
    num_pedestrians: int = 8
    parked_share: float = 0.5
    truck_share: float = 0.12
    spawn_range: tuple[float, float] = (12.0, 110.0)
    respawn_range: tuple[float, float] = (65.0, 120.0)
    leave_range: float = 135.0
    patience: float = 90.0
    lead_share: float = 0.45
    lane_changes: float = 1.0
    driver: DriverConfig = DriverConfig()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        for name in ("num_vehicles", "num_pedestrians"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        for name in ("parked_share", "truck_share", "lead_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("spawn_range", "respawn_range"):
            low, high = getattr(self, name)
            if not 0 <= low < high <= self.leave_range:
                raise ValueError(f"{name} must rise within [0, leave_range], got {(low, high)}")

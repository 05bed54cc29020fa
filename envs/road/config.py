"""What the reference world is like."""

from __future__ import annotations

from dataclasses import dataclass

from worldsim.datatypes.vehicle import VehicleModel


@dataclass(frozen=True, kw_only=True)
class RoadWorldConfig:
    """What the reference world is like.

    Args:
        frame_size: height and width of frames [px].
        dt: step length [s].
        num_context: frames in a start clip; the world drives that many minus one before an episode begins.
        num_vehicles: driving vehicles around the ego.
        num_pedestrians: around the ego.
        parked_share: of the map's parking places that are taken, [0, 1].
        num_towns: without another choice, reset draws one of the towns 0 to num_towns - 1.
        vehicle: the ego's dynamics and size.

    Raises:
        ValueError: a size or count is too small.
    """

    frame_size: tuple[int, int] = (128, 128)
    dt: float = 0.1
    num_context: int = 8
    num_vehicles: int = 12
    num_pedestrians: int = 8
    parked_share: float = 0.5
    num_towns: int = 64
    vehicle: VehicleModel = VehicleModel()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        if min(self.frame_size) < 16:
            raise ValueError(f"frame_size must be at least 16 x 16, got {self.frame_size}")
        if not 0 < self.dt <= 0.5:
            raise ValueError(f"dt must be in (0, 0.5] s, got {self.dt}")
        for name in ("num_context", "num_towns"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

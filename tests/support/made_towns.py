"""Made towns of the shipped layout model, on their own."""

import numpy as np

from worldsim.datatypes.layout import Layout, LineKind
from worldsim.datatypes.scene import RouteCommand
from worldsim.layouts.drive import EndlessDrive, Root, RoutePiece, StreetKind
from worldsim.layouts.layout_model import LAYOUTS_NAME, LayoutModel
from worldsim.world_model import DEFAULT_CHECKPOINT


def layout_model() -> LayoutModel:
    return LayoutModel.load(DEFAULT_CHECKPOINT / LAYOUTS_NAME)


def drive_from_nothing(seed: int, commands: tuple[RouteCommand, ...] = ()) -> EndlessDrive:
    """A drive along the x axis into a made town, with nothing before it."""
    points = np.array([[-6.0, -1.75], [-4, -1.75], [-2, -1.75], [0, -1.75]])
    lanes = np.tile([1.75, 13.9, 5.25, 1.75], (len(points), 1))
    return EndlessDrive(
        seed=seed,
        root=Root(
            x=0.0,
            y=0.0,
            yaw=0.0,
            kind=StreetKind(num_lanes=1, lane_width=3.5, centre_line=LineKind.BROKEN),
            occupied=np.zeros((0, 2)),
            footprints=np.zeros((0, 5)),
        ),
        commands=np.array(commands, np.int64),
        first_lane=0,
        layout=Layout(),
        light_cycles=np.zeros((0, 4)),
        route=RoutePiece(points=points, lanes=lanes, signals=np.zeros((0, 6)), turns=np.zeros((0, 3))),
    )

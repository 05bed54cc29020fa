"""Draws a static scene and road users into a camera: a canvas of depths and surfaces, and the G-buffer read off it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import Layout
from worldsim.gbuffer import kernels
from worldsim.gbuffer.classes import CLASS_OF_PART, SENSOR_NAMES, SemanticClass
from worldsim.gbuffer.decks import deck_tiles
from worldsim.gbuffer.face_details import NUM_DETAILS
from worldsim.gbuffer.gbuffer import GBuffer
from worldsim.gbuffer.ground import GroundRaster
from worldsim.gbuffer.ground_windows import GroundWindows
from worldsim.gbuffer.primitives import Instances, Primitives
from worldsim.gbuffer.resolve import resolve
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.sun_shadow import SunShadow
from worldsim.gbuffer.terrain import Terrain
from worldsim.gbuffer.view import View

DRAW_RANGE, GROW_RANGE = 150.0, 115.0
"""Things appear at the first distance, flat on the ground, and have their full height from the second one [m]."""
NUM_SHADOWS = 32
"""Suns whose shadows are kept of a static world, as many as there may be drives in it; of a town they take a quarter
of a megabyte each."""


@dataclass(frozen=True, kw_only=True)
class RasterizerConfig:
    """How things are drawn.

    Args:
        supersampling: canvas pixels per frame pixel and direction.
        draw_range: distance at which things appear, flat on the ground [m].
        grow_range: distance from which on they have their full height [m].

    Raises:
        ValueError: no pixels, or ranges that do not grow.
    """

    supersampling: int = 2
    draw_range: float = DRAW_RANGE
    grow_range: float = GROW_RANGE

    def __post_init__(self) -> None:
        if self.supersampling < 1:
            raise ValueError(f"supersampling must be at least 1, got {self.supersampling}")
        if not 0 < self.grow_range < self.draw_range:
            raise ValueError(f"0 < grow_range < draw_range does not hold: {self.grow_range}, {self.draw_range}")


class StaticWorld:
    """A layout made ready to be drawn; what is not asked for is not made.

    Args:
        layout: what stands and lies there.
        windowed: keep the ground deflated but for what is near the cameras that ask for it: a fraction of the memory,
            and a few ms whenever a camera has gone on for some metres. For cameras that jump about it is slow.
    """

    def __init__(self, layout: Layout, *, windowed: bool = False) -> None:
        self.layout, self.windowed = layout, windowed
        self.boxes = Instances.of_layout(layout)
        self.terrain = Terrain.of_layout(layout)
        self.deck_tiles = deck_tiles(layout, self.terrain)
        self.decks = Primitives.of_decks(self.terrain, self.deck_tiles)
        self._ground: GroundRaster | None = None
        self._ground_windows: GroundWindows | None = None
        self._shadows: OrderedDict[bytes, SunShadow] = OrderedDict()

    def ground(self, camera: np.ndarray) -> GroundRaster:
        """Classes of the ground, as far as a camera sees them, whose numbers are those of a Canvas."""
        if self.windowed:
            if self._ground_windows is None:
                self._ground_windows = GroundWindows(GroundRaster.of_layout(self.layout, self.deck_tiles))
            return self._ground_windows.near(camera)
        if self._ground is None:
            self._ground = GroundRaster.of_layout(self.layout, self.deck_tiles)
        return self._ground

    def shadow(self, sun: np.ndarray) -> SunShadow:
        """Shadows on the ground under the sun in the direction of unit vector `sun` [3]; the last ones are kept."""
        key = np.asarray(sun, np.float64).tobytes()
        if key not in self._shadows:
            self._shadows[key] = SunShadow.cast(self.layout, sun)
            while len(self._shadows) > NUM_SHADOWS:
                self._shadows.popitem(last=False)
        self._shadows.move_to_end(key)
        return self._shadows[key]


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """What was drawn, before it is shaded.

    Args:
        camera: numbers of `kernels.NUM_CAMERA`.
        inverse_depth: float32 [h, w] at canvas resolution [1/m], 0 in the sky.
        surface: index into the records, or kernels.GROUND or SKY, int32 [h, w].
        records: planes and ellipsoids, float64 [m, kernels.NUM_RECORD].
        attributes: int64 [m, kernels.NUM_ATTRIBUTES].
        paints: RGB [0, 255], float32 [m, 3].
        num_boxes: owners before the first road user.
    """

    camera: np.ndarray
    inverse_depth: np.ndarray
    surface: np.ndarray
    records: np.ndarray
    attributes: np.ndarray
    paints: np.ndarray
    num_boxes: int


class Rasterizer:
    """Draws into one camera; the same inputs give the same bits.

    Args:
        camera: whose frames are made.
        config: how.
    """

    def __init__(self, camera: PinholeCamera, config: RasterizerConfig | None = None) -> None:
        self.camera = camera
        self.config = config or RasterizerConfig()
        self._axes = camera.axes.tolist()

    def draw(self, world: StaticWorld, users: RoadUsers, view: View, lights: np.ndarray | None = None) -> Canvas:
        """Draw the world as seen from a vehicle.

        Args:
            world: what stands still.
            users: all others on the road, without the vehicle itself.
            view: where it is.
            lights: SignalKind of each light group, int64 [g]; None: all are dark.
        """
        camera, ss = self._camera(view, world.terrain.is_flat), self.config.supersampling
        static, moving, decks = world.boxes.in_view(camera), Primitives.of_road_users(users), world.decks
        shape = (self.camera.height_px * ss, self.camera.width_px * ss)
        size = static.size + moving.size + decks.size
        inverse_depth, surface = np.empty(shape, np.float32), np.empty(shape, np.int32)
        records = (
            np.empty((size, kernels.NUM_RECORD)),
            np.empty((size, kernels.NUM_ATTRIBUTES), np.int64),
            np.empty((size, 3), np.float32),
        )
        terrain, num_boxes, count = world.terrain, len(static.boxes), 0
        if terrain.is_flat:
            kernels.clear(camera, inverse_depth, surface)
        else:
            kernels.clear_hills(camera, terrain.heights, terrain.place, inverse_depth, surface)
        for what, states, first in (
            (static, _signal_states(world.layout, lights), 0),
            (moving, users.braking.astype(np.int64), num_boxes),
            (decks, np.zeros(len(decks.boxes), np.int64), 0),
        ):
            count = kernels.draw(
                what.boxes, what.seeds, states, first, what.corners, what.parts, what.colors, what.face_starts,
                what.balls, what.ball_parts, what.ball_colors, what.ball_starts, camera, inverse_depth, surface,
                *records, count,
            )  # fmt: skip
        return Canvas(
            camera=camera,
            inverse_depth=inverse_depth,
            surface=surface,
            records=records[0][:count],
            attributes=records[1][:count],
            paints=records[2][:count],
            num_boxes=num_boxes,
        )

    def depth(self, canvas: Canvas) -> np.ndarray:
        """Depth along the camera's axis, float32 [h, w] [m]; inf in the sky."""
        return self._resolve(canvas, GroundRaster.nothing(), False, False).depth

    def depth_and_kinds(self, canvas: Canvas, ground: GroundRaster) -> tuple[np.ndarray, np.ndarray]:
        """Depth as of `depth`, and SemanticClass uint8 [h, w]."""
        result = self._resolve(canvas, ground, True, False)
        return result.depth, result.kinds

    def sense(
        self,
        names: Sequence[str],
        world: StaticWorld,
        users: RoadUsers,
        view: View,
        lights: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """What the camera tells beside colours.

        Args:
            names: of SENSOR_NAMES.
            world: as for `draw`, as are the others.
            users: everyone else.
            view: where the vehicle is.
            lights: SignalKind of each light group.

        Returns:
            "depth": along the camera's axis, float16 [h, w] [m], inf in the sky. "semantic": SemanticClass, uint8
            [h, w].

        Raises:
            ValueError: an unknown name.
        """
        unknown = [name for name in names if name not in SENSOR_NAMES]
        if unknown:
            raise ValueError(f"a camera gives {' and '.join(SENSOR_NAMES)}, got {unknown}")
        canvas = self.draw(world, users, view, lights)
        pictures: dict[str, np.ndarray] = {}
        if "semantic" in names:
            depths, pictures["semantic"] = self.depth_and_kinds(canvas, world.ground(canvas.camera))
        else:
            depths = self.depth(canvas)
        if "depth" in names:
            pictures["depth"] = depths.astype(np.float16)
        return pictures

    def gbuffer(self, canvas: Canvas, ground: GroundRaster) -> GBuffer:
        """All that the canvas tells of each frame pixel."""
        return self._resolve(canvas, ground, True, True)

    def _resolve(self, canvas: Canvas, ground: GroundRaster, classes: bool, everything: bool) -> GBuffer:
        height, width = self.camera.height_px, self.camera.width_px
        full = (height, width) if everything else (0, 0)
        result = GBuffer(
            ids=np.empty(full, np.int32),
            kinds=np.empty((height, width) if classes else (0, 0), np.uint8),
            parts=np.empty(full, np.uint8),
            depth=np.empty((height, width), np.float32),
            coordinates=np.zeros((*full, 2)),
            on_face=np.zeros((*full, 2), np.float32),
            details=np.zeros((*full, NUM_DETAILS), np.float32),
            facing=np.zeros(full, np.float32),
            normals=np.zeros((*full, 3), np.float32),
            mixed=np.zeros(full, bool),
            colors=np.zeros((*full, 3), np.uint8),
            coverage=np.zeros((*full, len(SemanticClass)), np.uint8),
            num_boxes=canvas.num_boxes,
        )
        resolve(
            canvas.camera, self.config.supersampling, canvas.inverse_depth, canvas.surface, canvas.records,
            canvas.attributes, canvas.paints, CLASS_OF_PART, canvas.num_boxes, ground.cells, ground.blocks,
            ground.levels, ground.places, classes, everything, result.ids, result.kinds, result.parts, result.depth,
            result.coordinates, result.on_face, result.details, result.facing, result.normals, result.mixed,
            result.colors, result.coverage,
        )  # fmt: skip
        return result

    def _camera(self, view: View, is_flat: bool) -> np.ndarray:
        """The camera's numbers, float64 [kernels.NUM_CAMERA]."""
        mount, ss = self.camera, self.config.supersampling
        c, s = math.cos(view.yaw), math.sin(view.yaw)
        cg, sg = math.cos(view.grade), math.sin(view.grade)
        # vehicle axes forward, left, up in the ground frame, the nose raised by the grade
        forward, left, up = (c * cg, s * cg, sg), (-s, c, 0.0), (-c * sg, -s * sg, cg)
        axes = [a * forward[k] + b * left[k] + d * up[k] for a, b, d in self._axes for k in range(3)]
        place = (view.x, view.y, view.z)
        position = [place[k] + mount.mount_x * forward[k] + mount.mount_height * up[k] for k in range(3)]
        half = self._half_angle(view.grade)
        numbers = [
            *position, *axes, mount.focal * ss, 0.5 * mount.width_px * ss, 0.5 * mount.height_px * ss, math.cos(half),
            math.sin(half), self.config.draw_range, self.config.grow_range, float(is_flat),
        ]  # fmt: skip
        return np.array(numbers)

    def _half_angle(self, grade: float) -> float:
        """Greatest azimuth of a ray of the frame from straight ahead [rad]."""
        x, y = 0.5 * self.camera.width_px / self.camera.focal, 0.5 * self.camera.height_px / self.camera.focal
        pitch = self.camera.pitch - grade
        # the corner whose ray is steepest is turned farthest to the side
        ahead = min(math.cos(pitch) - y * math.sin(pitch), math.cos(pitch) + y * math.sin(pitch))
        return min(math.atan2(x, ahead) + 0.01, math.pi / 2)


def _signal_states(layout: Layout, lights: np.ndarray | None) -> np.ndarray:
    """What each box's light shows, SignalKind int64 [n]; 0 where there is none."""
    groups = layout.box_signals
    shown = np.zeros(len(groups), np.int64)
    if lights is not None and len(lights):
        lit = np.flatnonzero((groups >= 0) & (groups < len(lights)))
        shown[lit] = lights[groups[lit]]
    return shown

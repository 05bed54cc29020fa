"""SurfaceMap: what the learned world is told of the surfaces in a picture, as channels of a network. numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from worldsim.compiled import compiled
from worldsim.datatypes.signals import SignalKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import NO_PART, Part, SemanticClass
from worldsim.gbuffer.face_details import NUM_DETAILS
from worldsim.gbuffer.gbuffer import GBuffer
from worldsim.gbuffer.kernels import (
    AXES,
    FOCAL,
    MIDDLE_X,
    MIDDLE_Y,
    PART,
    POSITION,
    RISE,
    STATE,
    V_0,
    V_1,
    V_X,
    V_Y,
)
from worldsim.gbuffer.rasterizer import Canvas, Rasterizer, StaticWorld
from worldsim.gbuffer.reprojection import PictureGeometry
from worldsim.gbuffer.sunlight import fill_sunlight

NUM_WAVES = 4
LONGEST_WAVE = 12.0
"""Period of the first of the waves over the surfaces, each of which has half the period of the last [m]."""
FADE_FROM = 20.0
"""Farther away the waves fade with depth, as pixels get too large for them [m]."""
UNIT_DEPTH, MAX_INVERSE_DEPTH = 5.0, 2.0
"""Inverse depth is in units of one over this depth [m]; nearer than half of it all is alike."""
FAR_WALL = 50.0
"""Where the layout is not known, the ground is taken to be flat and all else to be this far away [m]."""


class SurfaceChannel(IntEnum):
    """First channel of each group.

    COVERAGE: shares of each SemanticClass, 0 to 1.
    INVERSE_DEPTH: 5 m over the depth, at most 2; 0 in the sky.
    FACING: cosine between the surface's normal and the ray; 0 in the sky.
    NORMAL: the surface's unit normal in the ground frame; in the sky the direction of the ray.
    SUNLIGHT: cosine between normal and sun, on the ground less what shadows take of it; in the sky how near the sun is
        (worldsim.gbuffer.sunlight). 0 where it is not known where the sun stands.
    COLOR: RGB of boxes, road users and lit lamps, -1 to 1; on the ground that of paint, times its share; 0 elsewhere.
    WAVES: sines of both surface coordinates, period by period from 12 m down to 1.5 m, then the cosines likewise;
        weaker from 20 m on, 0 in the sky.
    FACE: where on its flat face a point lies, across from left to right and up, -1 to 1; 0 elsewhere.
    DETAILS: by face_details.Detail, the shares of what is on the faces of houses and vehicles.
    SIGNAL: shares of lit lamps of traffic lights, red, yellow, green.
    BRAKING: 1 on road users whose brake lights are on.
    PLACE: three numbers, -1 to 1, which tell boxes and road users apart; 0 on the ground and in the sky.
    KNOWN: 1 everywhere where the layout knows its ground; where it knows its boxes; and where the sun is known.
    """

    COVERAGE = 0
    INVERSE_DEPTH = COVERAGE + len(SemanticClass)
    FACING = INVERSE_DEPTH + 1
    NORMAL = FACING + 1
    SUNLIGHT = NORMAL + 3
    COLOR = SUNLIGHT + 1
    WAVES = COLOR + 3
    FACE = WAVES + 4 * NUM_WAVES
    DETAILS = FACE + 2
    SIGNAL = DETAILS + NUM_DETAILS
    BRAKING = SIGNAL + 3
    PLACE = BRAKING + 1
    KNOWN = PLACE + 3


SUN_KNOWN = SurfaceChannel.KNOWN + 2
"""That which says whether it is known where the sun stands."""
NUM_SURFACE_CHANNELS = SurfaceChannel.KNOWN + 3


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceMap:
    """The surfaces in a picture.

    Args:
        channels: by SurfaceChannel, float32 [NUM_SURFACE_CHANNELS, h, w].
        parts: Part, or NO_PART on the ground and in the sky, uint8 [h, w].
        geometry: where they are.
    """

    channels: np.ndarray
    parts: np.ndarray
    geometry: PictureGeometry

    def without_sun(self) -> SurfaceMap:
        """The same where it is not known where the sun stands."""
        channels = self.channels.copy("K")
        channels[SurfaceChannel.SUNLIGHT] = channels[SUN_KNOWN] = 0.0
        return replace(self, channels=channels)


def draw_surfaces(rasterizer: Rasterizer, static_world: StaticWorld, scene: CameraScene) -> SurfaceMap:
    """Draw what a camera sees.

    Args:
        rasterizer: of the camera.
        static_world: what stands still.
        scene: what moves, and from where it is seen.
    """
    layout, users = static_world.layout, scene.users
    canvas = rasterizer.draw(static_world, users, scene.view, scene.lights)
    found = rasterizer.gbuffer(canvas, static_world.ground(canvas.camera))
    # those of a pixel side by side in memory, as convolutions like them
    channels = np.zeros((*found.depth.shape, NUM_SURFACE_CHANNELS), np.float32).transpose(2, 0, 1)
    rows = np.empty(found.depth.shape, np.int16)
    _fill_channels(
        canvas.camera, found.ids, found.parts, found.depth, found.coordinates, found.on_face, found.details,
        found.facing, found.normals, found.colors, found.coverage, found.num_boxes, layout.box_seeds, scene.user_ids,
        users.braking, canvas.inverse_depth, canvas.surface, canvas.records, canvas.attributes,
        rasterizer.config.supersampling, channels, rows,
    )  # fmt: skip
    if scene.sun is not None:
        lit = channels[SurfaceChannel.SUNLIGHT]
        fill_sunlight(lit, scene.sun, static_world, users, canvas, found, rasterizer.config.supersampling)
    known = (layout.ground_known, layout.boxes_known, scene.sun is not None)
    channels[SurfaceChannel.KNOWN : SurfaceChannel.KNOWN + 3] = np.array(known, np.float32)[:, None, None]
    geometry = _geometry(rasterizer, canvas, found, rows, scene, layout.ground_known and layout.boxes_known)
    return SurfaceMap(channels=channels, parts=found.parts, geometry=geometry)


def _geometry(
    rasterizer: Rasterizer, canvas: Canvas, found: GBuffer, rows: np.ndarray, scene: CameraScene, known: bool
) -> PictureGeometry:
    return PictureGeometry(
        depth=found.depth if known else np.minimum(found.depth, np.float32(FAR_WALL)),
        users=rows,
        mixed=found.mixed,
        user_ids=np.ascontiguousarray(scene.user_ids, np.int64),
        user_kinds=np.ascontiguousarray(scene.users.kinds, np.int64),
        user_boxes=np.ascontiguousarray(scene.users.boxes, np.float64),
        axes=canvas.camera[AXES : AXES + 9].reshape(3, 3),
        position=canvas.camera[POSITION : POSITION + 3],
        focal=rasterizer.camera.focal,
    )


_COVERAGE, _INVERSE_DEPTH, _FACING = (
    int(c) for c in (SurfaceChannel.COVERAGE, SurfaceChannel.INVERSE_DEPTH, SurfaceChannel.FACING)
)
_NORMAL = int(SurfaceChannel.NORMAL)
_COLOR, _WAVES, _SIGNAL = (int(c) for c in (SurfaceChannel.COLOR, SurfaceChannel.WAVES, SurfaceChannel.SIGNAL))
_BRAKING, _PLACE = int(SurfaceChannel.BRAKING), int(SurfaceChannel.PLACE)
_DETAILS = int(SurfaceChannel.DETAILS)
_FACE, _LIGHT, _SIGNAL_FACE = int(SurfaceChannel.FACE), int(SemanticClass.LIGHT), int(Part.SIGNAL_FACE)
_LAMPS = np.array([[1.0, -0.65, -0.75], [1.0, 0.45, -0.7], [-0.65, 0.9, 0.0]], np.float32)
"""Colours of lit lamps, red, yellow and green."""
_FIRST_STATE, _LAST_STATE = int(SignalKind.RED), int(SignalKind.GREEN)
_FIRST_PAINT, _LAST_PAINT = int(SemanticClass.MARKING), int(SemanticClass.STOP_LINE)
_LOW_BITS = 0xFFFFFFFF


@compiled
def _pseudo_random(seed, k):
    """The k-th number of a seed, -1 to 1."""
    x = (seed ^ (seed >> 32)) & _LOW_BITS
    x = (x + (k + 1) * 0x9E3779B9) & _LOW_BITS
    x = ((x ^ (x >> 16)) * 0x45D9F3B) & _LOW_BITS
    x = ((x ^ (x >> 16)) * 0x45D9F3B) & _LOW_BITS
    return (x ^ (x >> 16)) / 2147483648.0 - 1.0


@compiled
def _fill_waves(channels, row, column, axis, coordinate, strength):
    """Sines and cosines of a coordinate; that of half the period is that of twice the angle."""
    turns = coordinate / LONGEST_WAVE
    angle = np.float32(2.0 * math.pi * (turns - math.floor(turns + 0.5)))
    sine, cosine = math.sin(angle), math.cos(angle)
    for k in range(NUM_WAVES):
        first = _WAVES + 2 * k + axis
        channels[first, row, column] = strength * sine
        channels[first + 2 * NUM_WAVES, row, column] = strength * cosine
        sine, cosine = 2.0 * sine * cosine, 1.0 - 2.0 * sine * sine


@compiled
def _lamp_at(record, state, at_x, at_y, inverse):
    """Whether a ray meets the third of a traffic light's face that is lit: red above, green below."""
    t = 1.0 / inverse
    up = (t * (record[V_X] * at_x + record[V_Y] * at_y + record[V_1]) - record[V_0]) / max(record[RISE], 1e-6)
    return int(min(max(3.0 * (1.0 - up), 0.0), 2.0)) == state - _FIRST_STATE


@compiled
def _fill_lamps(row, column, camera, inverse_depth, surface, records, attributes, supersampling, channels):
    """Fill SIGNAL, and blend the colours of lit lamps into COLOR; a lamp may be smaller than a pixel."""
    num, lit = supersampling * supersampling, np.float32(0.0)
    for a in range(num):
        i, j = row * supersampling + a // supersampling, column * supersampling + a % supersampling
        s = surface[i, j]
        if s < 0 or attributes[s, PART] != _SIGNAL_FACE:
            continue
        state = attributes[s, STATE]
        at_x, at_y = (j + 0.5 - camera[MIDDLE_X]) / camera[FOCAL], (i + 0.5 - camera[MIDDLE_Y]) / camera[FOCAL]
        if _FIRST_STATE <= state <= _LAST_STATE and _lamp_at(records[s], state, at_x, at_y, inverse_depth[i, j]):
            channels[_SIGNAL + state - _FIRST_STATE, row, column] += np.float32(1.0 / num)
            lit += np.float32(1.0 / num)
    for d in range(3):
        color = channels[_COLOR + d, row, column] * (np.float32(1.0) - lit)
        for k in range(3):
            color += _LAMPS[k, d] * channels[_SIGNAL + k, row, column]
        channels[_COLOR + d, row, column] = color


@compiled
def _fill_paint(row, column, colors, channels):
    """Fill COLOR with that of paint on the ground."""
    painted = np.float32(0.0)
    for k in range(_FIRST_PAINT, _LAST_PAINT + 1):
        painted += channels[_COVERAGE + k, row, column]
    if painted > 0.0:
        for d in range(3):
            color = colors[row, column, d] / np.float32(127.5) - np.float32(1.0)
            channels[_COLOR + d, row, column] = painted * color


@compiled
def _fill_channels(
    camera, ids, parts, depths, coordinates, on_face, details, facing, normals, colors, coverage, num_boxes, box_seeds,
    user_ids, braking, inverse_depth, surface, records, attributes, supersampling, channels, rows,
):  # fmt: skip
    """Fill the channels, which are zeros, all but SUNLIGHT and KNOWN; and the row of the road user at each pixel, or
    -1."""
    height, width = depths.shape
    num_classes = coverage.shape[2]
    for row in range(height):
        for column in range(width):
            for k in range(num_classes):
                share = coverage[row, column, k]
                if share > 0:
                    channels[_COVERAGE + k, row, column] = share / np.float32(255.0)
            for d in range(3):
                channels[_NORMAL + d, row, column] = normals[row, column, d]
            rows[row, column] = -1
            depth = depths[row, column]
            if depth < np.inf:
                channels[_INVERSE_DEPTH, row, column] = min(UNIT_DEPTH / depth, MAX_INVERSE_DEPTH)
                channels[_FACING, row, column] = facing[row, column]
                strength = min(FADE_FROM / depth, 1.0)
                _fill_waves(channels, row, column, 0, coordinates[row, column, 0], strength)
                _fill_waves(channels, row, column, 1, coordinates[row, column, 1], strength)
                if parts[row, column] == NO_PART:
                    _fill_paint(row, column, colors, channels)
                else:
                    for d in range(3):
                        color = colors[row, column, d] / np.float32(127.5) - np.float32(1.0)
                        channels[_COLOR + d, row, column] = color
                    for d in range(2):
                        channels[_FACE + d, row, column] = on_face[row, column, d]
                    for d in range(NUM_DETAILS):
                        channels[_DETAILS + d, row, column] = details[row, column, d]
                    owner = ids[row, column]
                    if owner >= num_boxes:
                        rows[row, column] = owner - num_boxes
                        channels[_BRAKING, row, column] = braking[owner - num_boxes]
                    if owner >= 0:  # not the side of a deck
                        seed = np.int64(box_seeds[owner] if owner < num_boxes else user_ids[owner - num_boxes])
                        for d in range(3):
                            channels[_PLACE + d, row, column] = _pseudo_random(seed, d)
            if coverage[row, column, _LIGHT] > 0:
                _fill_lamps(row, column, camera, inverse_depth, surface, records, attributes, supersampling, channels)

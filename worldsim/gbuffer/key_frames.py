"""Key frames of a drive: pictures with depth and pose, to recall what the last picture does not show. numpy only."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from worldsim.compiled import compiled
from worldsim.datatypes.layout import BOX_NAMES
from worldsim.gbuffer.reprojection import PictureGeometry, fill_reprojection

MIN_MOVE, MIN_TURN = 4.0, 0.3
"""A picture becomes a key frame when the camera has moved [m] or turned [rad] so much since the last one."""
CAPACITY = 64
REACH = 80.0
"""Key frames from farther away are not tried [m]."""
STRIDE, COARSENESS = 8, 4
"""What a key frame shows is counted at every eighth pixel and a quarter of its resolution, both ways."""
NUM_UNPACKED = 32
"""Key frames held unpacked, of all drives: a drive recalls the same one for many steps, and so do its branches."""
_DEFLATE_LEVEL = 1
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
"""A tenth smaller than by OpenCV's own settings, a quarter of a ms slower to write and as fast to read."""
WEIGHT_OF_SEEN = 0.01
"""What the last picture shows as well counts so much: it decides where key frames show equally much that is new."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyFrame:
    """A picture without its road users, packed: a drive keeps many and looks at one a step.

    Args:
        picture: uint8 [h, w, 3] as PNG.
        latent: of the picture, float16 [c, h / 8, w / 8]; None where nobody asks for it.
        depth: along the camera's axis [m], inf in the sky, NaN where a road user was and where a pixel showed several
            things; float16 [h, w], deflated.
        axes: of the camera, as of PictureGeometry.
        position: of the camera, as of PictureGeometry.
        recorded: share of the picture that goes back to recorded frames.
    """

    picture: bytes
    latent: np.ndarray | None
    depth: bytes
    axes: np.ndarray
    position: np.ndarray
    recorded: float


@lru_cache(NUM_UNPACKED)
def _unpack(frame: KeyFrame) -> tuple[np.ndarray, np.ndarray]:
    """Its picture, uint8 [h, w, 3], and its depth, float32 [h, w]."""
    picture = cv2.imdecode(np.frombuffer(frame.picture, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    depth = np.frombuffer(zlib.decompress(frame.depth), np.float16).reshape(picture.shape[:2])
    return picture, depth.astype(np.float32)


def without_road_users(geometry: PictureGeometry) -> PictureGeometry:
    """The geometry of a picture that is to be recalled: it is not known what was where road users were."""
    # a pixel beside a road user shows some of it too
    hidden = cv2.dilate((geometry.users >= 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    hidden |= geometry.mixed
    return replace(
        geometry,
        depth=np.where(hidden, np.float32(np.nan), geometry.depth),
        users=np.full_like(geometry.users, -1),
        mixed=np.zeros_like(geometry.mixed),
        user_ids=np.zeros(0, np.int64),
        user_kinds=np.zeros(0, np.int64),
        user_boxes=np.zeros((0, len(BOX_NAMES))),
    )


class KeyFrames:
    """The key frames of a drive so far. Immutable: inserting one makes another memory, which shares the pictures."""

    def __init__(self) -> None:
        self._frames: tuple[KeyFrame, ...] = ()
        self._focal, self._size = 0.0, (0, 0)
        # of the last one inserted, which may have been left out again since
        self._last_axes, self._last_position = np.eye(3), np.zeros(3)
        # of all, one after the other
        self._depths = np.zeros((0, 0, 0), np.float16)
        self._axes, self._positions = np.zeros((0, 3, 3)), np.zeros((0, 3))

    def __len__(self) -> int:
        return len(self._frames)

    def insert(
        self,
        picture: np.ndarray,
        geometry: PictureGeometry,
        latent: np.ndarray | None = None,
        recorded: float = 1.0,
    ) -> KeyFrames:
        """These and a picture, if the camera is far enough from where the last one was taken; else these.

        Of more than CAPACITY the later of the two that are closest to each other is left out.

        Args:
            picture: uint8 [h, w, 3].
            geometry: of the same size, the same for all pictures of a drive.
            latent: to be kept beside it.
            recorded: share of the picture that goes back to recorded frames.

        Raises:
            ValueError: the sizes or focal lengths differ.
        """
        size = geometry.depth.shape
        if picture.shape != (*size, 3) or picture.dtype != np.uint8:
            raise ValueError(f"the picture must be uint8 {[*size, 3]}, got {picture.dtype} {list(picture.shape)}")
        if self._frames and (self._size, self._focal) != (size, geometry.focal):
            raise ValueError(
                f"key frames have {self._size} px and a focal length of {self._focal:.1f} px, so they "
                f"cannot take one of {size} px and {geometry.focal:.1f} px"
            )
        if self._frames and self._moved(geometry) < 1.0:
            return self
        depth = without_road_users(geometry).depth.astype(np.float16)
        frame = KeyFrame(
            picture=cv2.imencode(".png", picture, _PNG)[1].tobytes(),
            latent=None if latent is None else latent.astype(np.float16),
            depth=zlib.compress(depth.tobytes(), _DEFLATE_LEVEL),
            axes=geometry.axes,
            position=geometry.position,
            recorded=recorded,
        )
        return self._with(frame, depth, geometry)

    def picture(self, index: int) -> np.ndarray:
        """A key frame, uint8 [h, w, 3], not to be changed."""
        return _unpack(self._frames[index])[0]

    def latent(self, index: int) -> np.ndarray | None:
        """The latent of a key frame, float16 [c, h / 8, w / 8], not to be changed."""
        return self._frames[index].latent

    def recorded(self, index: int) -> float:
        """Share of a key frame that goes back to recorded frames."""
        return self._frames[index].recorded

    def geometry(self, index: int) -> PictureGeometry:
        """Where what it shows is; its road users are nowhere. Its depth is not to be changed."""
        frame = self._frames[index]
        return PictureGeometry(
            depth=_unpack(frame)[1],
            users=np.full(self._size, -1, np.int16),
            mixed=np.zeros(self._size, bool),
            user_ids=np.zeros(0, np.int64),
            user_kinds=np.zeros(0, np.int64),
            user_boxes=np.zeros((0, len(BOX_NAMES))),
            axes=frame.axes,
            position=frame.position,
            focal=self._focal,
        )

    def retrieve(self, new: PictureGeometry, visible: np.ndarray) -> int | None:
        """The key frame that shows most of what is not seen otherwise; None where none shows anything of a picture.

        Args:
            new: the picture that is to be made, of a multiple of STRIDE pixels.
            visible: what the last picture shows of it, as of `reproject`, float32 [h, w].

        Raises:
            ValueError: the size is no multiple of STRIDE, or not that of `visible`.
        """
        height, width = new.depth.shape
        if height % STRIDE or width % STRIDE or visible.shape != new.depth.shape:
            raise ValueError(
                f"the picture must be a multiple of {STRIDE} px and as large as what is visible of it, got {height} x "
                f"{width} and {visible.shape}"
            )
        if not self._frames:
            return None
        shown = _count_shown(
            new.depth, new.users, new.axes, new.position, new.focal, len(new.user_ids), visible,
            self._depths.astype(np.float32), self._axes, self._positions, self._focal / COARSENESS,
        )  # fmt: skip
        best = int(np.argmax(shown))
        return best if shown[best] > 0.0 else None

    def _moved(self, geometry: PictureGeometry) -> float:
        """How far a camera is from where the last key frame was taken, in units of MIN_MOVE or MIN_TURN."""
        axes, position = geometry.axes[None], geometry.position[None]
        return _distances(axes, position, self._last_axes[None], self._last_position[None]).item()

    def _with(self, frame: KeyFrame, depth: np.ndarray, last: PictureGeometry) -> KeyFrames:
        """These and one more, whose depth is float16 [h, w]."""
        frames, middle = [*self._frames, frame], COARSENESS // 2
        coarse = depth[None, middle::COARSENESS, middle::COARSENESS]
        depths = np.concatenate([self._depths, coarse]) if self._frames else coarse.copy()
        axes, positions = np.stack([f.axes for f in frames]), np.stack([f.position for f in frames])
        if len(frames) > CAPACITY:
            apart = _distances(axes, positions, axes, positions)
            apart[np.triu_indices(len(frames))] = np.inf  # of each from the earlier ones
            left_out = int(np.argmin(apart.min(axis=1)))
            del frames[left_out]
            axes, positions = np.delete(axes, left_out, axis=0), np.delete(positions, left_out, axis=0)
            depths = np.delete(depths, left_out, axis=0)
        made = KeyFrames()
        made._frames, made._focal, made._size = tuple(frames), last.focal, depth.shape
        made._last_axes, made._last_position = last.axes, last.position
        made._depths, made._axes, made._positions = depths, axes, positions
        return made


def _distances(axes: np.ndarray, positions: np.ndarray, others: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How far cameras are from others, [n, m], in units of MIN_MOVE or MIN_TURN, whichever is more."""
    moves = np.linalg.norm(positions[:, None] - places, axis=-1)
    cosines = 0.5 * (axes.reshape(-1, 9) @ others.reshape(-1, 9).T - 1.0)
    return np.maximum(moves / MIN_MOVE, np.arccos(cosines.clip(-1.0, 1.0)) / MIN_TURN)


@compiled
def _count_shown(
    depth, users, axes, position, focal, num_users, visible, key_depths, key_axes, key_positions, key_focal
):
    """What each key frame shows of a picture, in cells, those weighted less that `visible` shows as well, [n]."""
    num, key_height, key_width = key_depths.shape
    rows, columns = depth.shape[0] // STRIDE, depth.shape[1] // STRIDE
    missing = np.zeros((rows, columns))
    for row in range(rows * STRIDE):
        for column in range(columns * STRIDE):
            missing[row // STRIDE, column // STRIDE] += 1.0 - visible[row, column]
    nobody = np.full((key_height, key_width), -1, np.int16)
    matches, moves = np.full(num_users, -1, np.int64), np.zeros((num_users, 5))
    grid, seen = np.empty((rows, columns, 2), np.float32), np.empty((rows, columns), np.float32)
    shown = np.zeros(num)
    for k in range(num):
        apart = 0.0
        for d in range(3):
            apart += (key_positions[k, d] - position[d]) ** 2
        if apart > REACH * REACH:
            continue
        fill_reprojection(
            depth, users, axes, position, focal, key_depths[k], nobody, key_axes[k], key_positions[k], key_focal,
            matches, moves, STRIDE, grid, seen,
        )  # fmt: skip
        for row in range(rows):
            for column in range(columns):
                share = missing[row, column] / (STRIDE * STRIDE)
                shown[k] += seen[row, column] * (share + WEIGHT_OF_SEEN * (1.0 - share))
    return shown

"""Small recordings in other people's layouts, made for tests, and what their imports give."""

import struct
from collections.abc import Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import cv2
import numpy as np

from training.data import lerobot_layout as layout
from training.data.rollouts import RolloutDataset
from training.importers.convert import ImportConfig, import_recordings

EARTH_RADIUS, POLAR_RADIUS = 6378137.0, 6356752.314245


def picture(number: int, size: tuple[int, int] = (40, 80)) -> np.ndarray:
    """An image, uint8 [h, w, 3], that tells its number below 60: red is 4 * number, the left half is blue."""
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = 4 * (number % 60)
    image[:, : size[1] // 2, 2] = 200
    return image


def write_udacity(folder: Path, num: int = 60, dt: float = 0.071) -> np.ndarray:
    """A driving log of `num` rows; the times of its images [s]."""
    (folder / "IMG").mkdir(parents=True)
    lines, times = [], []
    for k in range(num):
        milliseconds = round(1000 * k * dt)
        moment = datetime(2018, 7, 16, 17, 11, 43, 900_000) + timedelta(milliseconds=milliseconds)
        stamp = moment.strftime("%Y_%m_%d_%H_%M_%S_") + f"{moment.microsecond // 1000:03d}"
        cv2.imwrite(str(folder / "IMG" / f"center_{stamp}.jpg"), picture(k)[..., ::-1])
        names = ",".join(rf"C:\Users\me\track\IMG\{side}_{stamp}.jpg" for side in ("center", "left", "right"))
        lines.append(f"{names},0.5,0.25,0,{10 + k / 100}")
        times.append(milliseconds / 1000)
    (folder / "driving_log.csv").write_text("\n".join(lines) + "\n")
    return np.array(times)


def write_comma2k19(folder: Path, seconds: float = 5.0, speed: float = 20.0, yaw: float = 0.7) -> None:
    """A segment of straight driving at 37° N, 122° W towards `yaw` from east [rad]; the wheel turned 30° left."""
    latitude, longitude = np.radians([37.0, -122.0])
    squared = 1 - POLAR_RADIUS**2 / EARTH_RADIUS**2
    normal = EARTH_RADIUS / np.sqrt(1 - squared * np.sin(latitude) ** 2)
    up = np.array([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
    origin = normal * up * [1, 1, 1 - squared]
    east = np.array([-np.sin(longitude), np.cos(longitude), 0])
    north = np.cross(up, east)
    forward = np.cos(yaw) * east + np.sin(yaw) * north
    right = np.sin(yaw) * east - np.cos(yaw) * north
    matrix = np.stack([forward, right, -up], axis=1)
    w = np.sqrt(1 + np.trace(matrix)) / 2
    x, y, z = (matrix[[2, 0, 1], [1, 2, 0]] - matrix[[1, 2, 0], [2, 0, 1]]) / (4 * w)
    t = 46408.5 + np.arange(0, seconds, 0.05)
    can = 46408.5 + np.arange(-0.02, seconds, 0.012)
    arrays = {
        "global_pose/frame_times": t,
        "global_pose/frame_positions": origin + speed * (t - t[0])[:, None] * forward,
        "global_pose/frame_orientations": np.tile([w, x, y, z], (len(t), 1)),
        "processed_log/CAN/speed/t": can,
        "processed_log/CAN/speed/value": np.full((len(can), 1), speed),
        "processed_log/CAN/steering_angle/t": can,
        "processed_log/CAN/steering_angle/value": np.full(len(can), 30.0),
    }
    for name, array in arrays.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            np.save(file, array)


def write_video(
    path: Path,
    num: int,
    fps: int = 20,
    container_format: str = "mp4",
    codec: str = "libx264",
    pixel_ratio: Fraction = Fraction(1),
    first: int = 0,
    codec_options: Mapping[str, str] = MappingProxyType({}),
    container_options: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """A video of `picture(0)`, `picture(1)`, ... with reordered frames; "h264" is a stream without times.

    Args:
        path: of the file.
        num: frames.
        fps: [1/s].
        container_format: as FFmpeg calls it.
        codec: as FFmpeg calls it.
        pixel_ratio: width over height of a pixel.
        first: number of the frame time that the first frame is at.
        codec_options: besides the ones for small groups with reordered frames.
        container_options: of the muxer.
    """
    options = {"crf": "4", "g": "12", "bf": "2"} if codec == "libx264" else {"g": "12", "bf": "2", "q:v": "2"}
    with av.open(str(path), "w", format=container_format, options=dict(container_options)) as container:
        stream = container.add_stream(codec, rate=fps, options=options | dict(codec_options))
        stream.height, stream.width, stream.pix_fmt = 40, 80, "yuv444p" if codec == "libx264" else "yuv420p"
        stream.codec_context.time_base, stream.sample_aspect_ratio = Fraction(1, fps), pixel_ratio
        for k in range(num):
            frame = av.VideoFrame.from_ndarray(picture(k), format="rgb24")
            frame.pts, frame.time_base = first + k, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class CarlaLog:
    """A CARLA recorder log: a hero that drives to CARLA's left (our right), a walker beside it."""

    hero, walker, sensor, debris = 7, 8, 9, 10

    def __init__(self, num: int = 60, dt: float = 0.05, role: str = "hero") -> None:
        text = b"CARLA_RECORDER"
        self.bytes = struct.pack("<HH", 1, len(text)) + text + struct.pack("<q", 0) + _text("Town01")
        for k in range(num):
            time = k * dt
            self._packet(0, struct.pack("<Qdd", k, dt, time))
            if k == 0:
                self._records(2, [
                    self._actor(self.hero, 1, "vehicle.tesla.model3", {"role_name": role}),
                    self._actor(self.walker, 2, "walker.pedestrian.0001", {}),
                    self._actor(self.sensor, 5, "sensor.other.collision", {}),
                    self._actor(self.debris, 0, "static.prop.dirtdebris01", {}),
                ])  # fmt: skip
                self._records(13, [
                    struct.pack("<I6f", self.hero, 10, 0, 70, 240, 95, 75),
                    struct.pack("<I6f", self.walker, 0, 0, 0, 20, 30, 90),
                    struct.pack("<I6f", self.debris, 0, 0, 0, 90, 70, 5),
                ])  # fmt: skip
            if k == 20:
                self._records(4, [struct.pack("<II", self.sensor, self.hero)])
            if k == 40:
                self._records(5, [struct.pack("<III??", 0, self.hero, self.walker, True, False)])
            x = 1000 + 100 * 6 * time  # [cm], 6 m/s along CARLA's x
            self._records(6, [
                struct.pack("<I6f", self.hero, x, 2000, 0, 0, 0, 0),
                struct.pack("<I6f", self.walker, x + 1000, 2300, 0, 0, 0, 90),
                struct.pack("<I6f", self.debris, x, 2000, 0, 0, 0, 0),
            ])  # fmt: skip
            self._records(8, [struct.pack("<Ifff?i", self.hero, 0.25, 0.5, 0.0, False, 1)])
            self._packet(200, b"from a later version")
            self._packet(1, b"")

    def _packet(self, identifier: int, body: bytes) -> None:
        self.bytes += struct.pack("<BI", identifier, len(body)) + body

    def _records(self, identifier: int, records: list[bytes]) -> None:
        self._packet(identifier, struct.pack("<H", len(records)) + b"".join(records))

    @staticmethod
    def _actor(number: int, kind: int, blueprint: str, attributes: dict[str, str]) -> bytes:
        head = struct.pack("<IB6fI", number, kind, *([0.0] * 6), 1) + _text(blueprint)
        pairs = [struct.pack("<B", 3) + _text(name) + _text(value) for name, value in attributes.items()]
        return head + struct.pack("<H", len(pairs)) + b"".join(pairs)


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text)) + text.encode()


def imported(source: Path, out: Path, **options) -> RolloutDataset:
    """The only dataset of an import into images of 16 by 32 px."""
    (dataset,) = import_recordings(ImportConfig(source=source, out=out, frame_size=(16, 32), **options))
    return dataset


def numbers(frames: np.ndarray) -> np.ndarray:
    """The numbers that pictures [t, h, w, 3] tell, [t]."""
    return np.rint(np.median(frames[..., 0], axis=(1, 2)) / 4).astype(int)


def known(dataset: RolloutDataset) -> set[str]:
    """What is known in every row."""
    rows = dataset[0].rows
    return {name for name in layout.VALID_NAMES if rows.is_valid(name).all()}

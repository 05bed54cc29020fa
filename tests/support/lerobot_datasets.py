"""LeRobot v3 datasets as others make them: named features, pictures in videos or tables, episodes in one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from recordings import picture, write_video

from training.data import lerobot_layout as layout

LENGTH, NUM_EPISODES, FPS = 25, 2, 10
TIMES = np.tile(np.arange(LENGTH) / FPS, NUM_EPISODES)
"""Of each row in its episode [s]."""


def write_dataset(
    root: Path,
    values: Mapping[str, np.ndarray],
    names: Mapping[str, Sequence[str]],
    camera: str = "",
    dtype: str = "video",
) -> None:
    """A dataset of two episodes of 25 rows; row k of all has `recordings.picture(k)`.

    Args:
        root: of the dataset.
        values: feature to its values, [50, d].
        names: feature to the names of its parts.
        camera: feature of the pictures, "" for none.
        dtype: "video", or "image" for pictures in the tables.
    """
    total = LENGTH * NUM_EPISODES
    features: dict = {
        key: {"dtype": "float32", "shape": [v.shape[1]], "names": {"axes": list(names[key])}}
        for key, v in values.items()
    }
    if camera:
        features[camera] = {"dtype": dtype, "shape": [40, 80, 3], "names": ["height", "width", "channel"]}
    columns = {key: layout.column(v.astype(np.float32)) for key, v in values.items()}
    columns |= {
        "timestamp": layout.column(TIMES.astype(np.float32)),
        "episode_index": layout.column(np.arange(total) // LENGTH),
    }
    if dtype == "image":
        cells = [{"bytes": png(picture(k)), "path": f"{k}.png"} for k in range(total)]
        columns[camera] = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    info = {"codebase_version": "v3.0", "fps": FPS, "features": features}
    layout.write_json(root / layout.INFO_PATH, info | {"data_path": layout.DATA_PATH, "video_path": layout.VIDEO_PATH})
    path = root / layout.DATA_PATH.format(chunk_index=0, file_index=0)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path)

    rows = []
    for k in range(NUM_EPISODES):
        row = {"episode_index": k, "length": LENGTH, "data/chunk_index": 0, "data/file_index": 0}
        if camera and dtype == "video":
            row |= {f"videos/{camera}/{name}_index": 0 for name in ("chunk", "file")}
            row |= {f"videos/{camera}/from_timestamp": k * LENGTH / FPS}
            row |= {f"videos/{camera}/to_timestamp": (k + 1) * LENGTH / FPS}
        rows.append(row)
    layout.write_table(root / layout.EPISODES_PATH.format(chunk_index=0, file_index=0), pa.Table.from_pylist(rows))
    if camera and dtype == "video":
        video = root / layout.VIDEO_PATH.format(video_key=camera, chunk_index=0, file_index=0)
        video.parent.mkdir(parents=True)
        write_video(video, total, FPS)


def png(image: np.ndarray) -> bytes:
    """An RGB image as a PNG file."""
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()

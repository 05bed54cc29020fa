#!/usr/bin/env bash
# PyAV's libx264, one thread: the same frames under the same options do not always give the same bytes.
#
# Seen at 16x16, 16x32 and 32x32 px. Turning off macroblock-tree rate control (mbtree=0), the lookahead it works on
# (rc-lookahead=0) or x264's assembly (asm=0) ends it; weighted prediction, adaptive quantisation and trellis do not.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import collections
import io
import re
import sys

import av
import numpy as np

NUM_CLIPS, NUM_ENCODES = 8, 1000
OPTIONS = {"crf": "14", "preset": "veryfast", "g": "10", "bf": "0", "sc_threshold": "0"}


def smooth_noise(num_frames, height, width, seed):
    """YUV 4:4:4 planes that change from frame to frame, uint8 [t, 3, h, w]."""
    steps = np.random.default_rng(seed).normal(0, 8, (num_frames, 3, height, width))
    return np.clip(np.cumsum(steps, axis=0) + 128, 0, 255).astype(np.uint8)


def encode(planes, **options):
    """The H.264 stream of the frames: no colour conversion and no container that could differ."""
    stream_bytes = io.BytesIO()
    with av.open(stream_bytes, "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=10, options={**OPTIONS, **options})
        stream.height, stream.width = planes.shape[2:]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.thread_count = 1
        for image in planes:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="yuv444p")))
        container.mux(stream.encode(None))
    return stream_bytes.getvalue()


def count_deviating(planes, **options):
    """How many of NUM_ENCODES encodes of a clip differ from the most frequent one."""
    memory = np.random.default_rng(0)
    streams = collections.Counter()
    for _ in range(NUM_ENCODES):
        # other data that the process holds, so that the encoder's buffers come to lie where something else was before
        held = [memory.bytes(int(size)) for size in memory.integers(100, 200_000, 5)]
        streams[encode(planes, **options)] += 1
        assert len(held) == 5  # held until here
    return NUM_ENCODES - max(streams.values())


clips = [smooth_noise(20, 16, 32, seed) for seed in range(NUM_CLIPS)]
build = re.search(rb"x264 - core \d+( r\w+)?", encode(clips[0]))
libavcodec = ".".join(str(number) for number in av.library_versions["libavcodec"])
print(f"av {av.__version__}, libavcodec {libavcodec}, {build[0].decode() if build else 'x264 of unknown build'}")
print(f"{NUM_ENCODES} encodes of each of {NUM_CLIPS} clips, 20 frames of 16x32 px, one thread, preset veryfast, crf 14")
print("expected: the streams of a clip are all equal, 0 deviate")
default = [count_deviating(clip) for clip in clips]
print(f"seen: {default} deviate")
without = [count_deviating(clip, **{"x264-params": "mbtree=0"}) for clip in clips]
print(f"seen with mbtree=0: {without} deviate")
sys.exit(0 if any(default) and not any(without) else 1)
PYTHON

"""EncodedStores that no tokenizer has made."""

from types import SimpleNamespace

import numpy as np

from training.batches.encoded_store import EncodedStore
from worldsim.conditioning.latent_conditions import NUM_CONDITION_CHANNELS, ConditionChannel, still_grid
from worldsim.datatypes.camera import CameraGeometry


def encoded_store(store: SimpleNamespace, latents: np.ndarray, copies: bool = False) -> EncodedStore:
    """Latents float16 [n, c, h, w] of a store of one episode, as a camera that goes with the ego sees the sky; with
    `copies` the whole episode once more, with negative latents and its layout hidden.

    FACING tells the number of a frame, from 0 up.
    """
    num, _, h, w = latents.shape
    rng = np.random.default_rng(0)
    maps = rng.integers(-20, 20, (num, NUM_CONDITION_CHANNELS, h, w)).astype(np.int8)
    maps[:, ConditionChannel.FACING] = np.arange(num)[:, None, None] % 128
    maps[:, ConditionChannel.KNOWN :] = 127
    maps[:, ConditionChannel.VISIBLE] = 100
    maps[:, ConditionChannel.USERS : ConditionChannel.PAINT] = 0
    maps[:, ConditionChannel.MOVING] = 0
    grids = np.repeat(still_grid(h, w)[None], num, 0).astype(np.float16)
    vehicles = store.rows.vehicles
    cos, sin, zero = np.cos(vehicles[:, 2]), np.sin(vehicles[:, 2]), np.zeros(num)
    axes = np.stack([sin, -cos, zero, zero, zero, zero - 1, cos, sin, zero], axis=-1)
    cameras = np.concatenate([vehicles[:, :2], np.full((num, 1), 1.6), axes], axis=-1)
    styles = np.repeat(np.arange(num)[:, None], 32, 1).astype(np.float16)
    arrays = {
        "latents": latents.astype(np.float16),
        "maps": maps,
        "grids": grids,
        "depths": np.full((num, h, w), np.inf, np.float16),
        "cameras": cameras,
        "styles": styles,
    }
    if copies:
        hidden = arrays | {"latents": -arrays["latents"], "maps": maps.copy(), "styles": -styles}
        hidden["maps"][:, ConditionChannel.KNOWN :] = 0
        hidden["maps"][:, ConditionChannel.VISIBLE] = 0
        arrays = {name: np.concatenate([values, hidden[name]]) for name, values in arrays.items()}
    where = num + np.arange(num) if copies else np.full(num, -1)
    return EncodedStore(copies=where, focal=CameraGeometry().with_frame_size((h, w)).focal, **arrays)

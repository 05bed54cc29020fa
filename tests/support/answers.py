"""What a world answers, together with the frame that it shows then."""

from types import SimpleNamespace

from envs.world import World, WorldStep


def shown(world: World, step: WorldStep) -> SimpleNamespace:
    """The fields of `step`, the world's newest, and its `frame`."""
    return SimpleNamespace(**vars(step), frame=world.frame())

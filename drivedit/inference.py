"""Rolling a student out: pictures that follow others under given controls."""

from worldsim.configs import InferenceConfig
from worldsim.dynamics.streaming import StreamingRollout

__all__ = ["InferenceConfig", "StreamingRollout"]

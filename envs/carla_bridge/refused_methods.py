"""What CARLA's client can call and no served world does: each method with the reason.

The caller gets it, and where it does not wait, the server's window. What is not even here is an unknown method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from envs.carla_bridge.rpc import Method, RefusedError


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """Methods of one reason.

    Args:
        reason: why not.
        values: those that return a value.
        nothing: those that return none.
    """

    reason: str
    values: tuple[str, ...] = ()
    nothing: tuple[str, ...] = ()


_REFUSALS = (
    _Refusal(
        reason="this server records and replays nothing; `drivedit record` and `drivedit play` do",
        values=(
            "start_recorder", "show_recorder_file_info", "show_recorder_collisions", "show_recorder_actors_blocked",
            "replay_file",
        ),
        nothing=(
            "stop_recorder", "stop_replayer", "set_replayer_time_factor", "set_replayer_ignore_hero",
            "set_replayer_ignore_spectator",
        ),
    ),
    _Refusal(
        reason="all vehicles move by this world's own vehicle model, which has no other parameters, engine or physics",
        values=("get_ackermann_controller_settings", "get_telemetry_data"),
        nothing=(
            "apply_physics_control", "apply_ackermann_controller_settings", "enable_carsim", "use_carsim_road",
            "enable_chrono_physics", "restore_physx_physics", "show_vehicle_debug_telemetry",
        ),
    ),
    _Refusal(
        reason="vehicles turn by their steering alone",
        nothing=("set_actor_target_angular_velocity", "add_actor_angular_impulse", "add_actor_torque"),
    ),
    _Refusal(
        reason="vehicles and walkers are drawn as one body, without doors, turning wheels, bones or parts",
        values=(
            "get_wheel_pitch_angle", "get_vehicle_bone_world_transforms", "get_actor_bone_names",
            "get_actor_bone_relative_transforms", "get_actor_bone_world_transforms", "get_actor_component_names",
            "get_actor_component_relative_transform", "get_actor_component_world_transform", "get_actor_socket_names",
            "get_actor_socket_relative_transforms", "get_actor_socket_world_transforms", "get_bones_transform",
        ),
        nothing=(
            "open_vehicle_door", "close_vehicle_door", "set_wheel_steer_direction", "set_wheel_pitch_angle",
            "set_bones_transform", "blend_pose", "get_pose_from_animation",
        ),
    ),
    _Refusal(
        reason="this world answers no rays: it has the map's heights (carla.Map.get_waypoint) and depth cameras",
        values=("cast_ray", "project_point"),
    ),
    _Refusal(
        reason="what stands on the map is neither hidden nor painted by clients",
        values=("get_names_of_all_objects",),
        nothing=(
            "enable_environment_objects", "load_map_layer", "unload_map_layer", "apply_color_texture_to_objects",
            "apply_float_color_texture_to_objects", "update_day_night_cycle", "set_annotations_traverse_translucency",
        ),
    ),
    _Refusal(reason="gravity is 9.81 m/s² here", values=("get_imui_gravity",), nothing=("set_imui_gravity",)),
    _Refusal(reason="this server sends maps by get_map_data, and no other files", values=("request_file",)),
)  # fmt: skip

_REASONS = {name: refusal.reason for refusal in _REFUSALS for name in (*refusal.values, *refusal.nothing)}
_METHODS_OF_COMMANDS = {
    "ApplyVehiclePhysicsControl": "apply_physics_control",
    "ApplyTargetAngularVelocity": "set_actor_target_angular_velocity",
    "ApplyAngularImpulse": "add_actor_angular_impulse",
    "ApplyTorque": "add_actor_torque",
}


def refused_methods() -> dict[str, Method]:
    """All of them by name."""
    return {
        name: Method(call=_refusing(refusal.reason), returns=returns)
        for refusal in _REFUSALS
        for returns, names in (("value", refusal.values), ("none", refusal.nothing))
        for name in names
    }


def reason_of_command(command: str) -> str:
    """Why a command of `apply_batch` is not done."""
    return _REASONS.get(_METHODS_OF_COMMANDS.get(command, ""), "this world knows no such command")


def _refusing(reason: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise RefusedError(reason)

    return refuse

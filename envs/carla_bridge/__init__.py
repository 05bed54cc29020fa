"""carla_bridge: any World on CARLA's wire protocol, for the unmodified CARLA client."""

"""OpenDRIVE files: read as they are written, and written as CARLA's parser wants them."""

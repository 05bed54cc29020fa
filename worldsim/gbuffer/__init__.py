"""The rasteriser of both worlds: a Layout and road users drawn into a camera as a G-buffer."""

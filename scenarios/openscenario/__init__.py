"""OpenSCENARIO 1.x: `.xosc` files read as scenarios and played in both worlds, and the catalogue written as such."""

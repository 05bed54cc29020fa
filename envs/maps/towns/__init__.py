"""Procedural towns, written as OpenDRIVE."""

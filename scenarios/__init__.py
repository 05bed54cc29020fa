"""Scenario validation: what is driven, how often it fails, how sure that is."""

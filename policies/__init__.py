"""Drivers: rule-based and planning policies, and the one loop that runs a policy in an env."""

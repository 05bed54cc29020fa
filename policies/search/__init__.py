"""Planners that search action sequences in the learned world, and what they search by."""

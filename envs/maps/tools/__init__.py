"""Commands about maps: check one, import one, draw one."""

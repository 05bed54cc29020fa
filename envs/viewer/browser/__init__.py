"""The viewer in a browser: a page on this machine alone, and the server of its pictures and keys."""

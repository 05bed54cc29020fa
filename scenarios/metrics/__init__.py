"""One metric a file, each computed from SceneState by the same code in every world."""

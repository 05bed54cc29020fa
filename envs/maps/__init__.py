"""Maps: OpenDRIVE, lanes, routes, procedural towns."""

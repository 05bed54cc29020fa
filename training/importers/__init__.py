"""Other people's recordings as rollouts: a reader for each layout, one resampling, one conversion."""

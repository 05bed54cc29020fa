"""From a reference world to a learned one: recording, datasets, training stages, evaluation, benchmark."""

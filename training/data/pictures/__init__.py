"""Labelled pictures and clips of videos as other people store them: readers, torch Datasets, batches, statistics."""

"""The stages of training, one file each, and the loop they share."""

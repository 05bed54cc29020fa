"""One family of metrics a file, each computed from a DriveRecord by the same code in every world."""

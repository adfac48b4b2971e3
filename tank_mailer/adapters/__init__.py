"""Act: one file for each thing outside."""

"""The list of media items of a run, and parts of it."""

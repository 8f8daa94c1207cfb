"""Model files, the record of a training, and what a user names by a path."""

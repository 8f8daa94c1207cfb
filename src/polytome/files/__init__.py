"""Model files, records of training, and the sources that a user names."""

"""Side by side with peers: seconds, accuracy and memory, each run in a process of its own. See
docs/benchmarks.md."""

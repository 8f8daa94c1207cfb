"""The parts of a lesson, what the documents print, and the ways to show both."""

"""Plain values: what JSON can hold, and what a value that came from JSON may be."""

"""How far from the minimum: the gap, its rounding included, and what follows from it."""

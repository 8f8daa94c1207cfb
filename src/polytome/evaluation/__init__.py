"""How good a fitted model is, and why it predicts what it predicts."""

"""What a fitted model is worth and why it predicts what it predicts."""

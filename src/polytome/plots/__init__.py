"""Figures: one style, charts of plain numbers, and displays of fitted models."""

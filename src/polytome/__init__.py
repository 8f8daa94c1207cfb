"""Logistic and softmax regression where every fit comes with a proof of how good it is."""

__version__ = "0.1.0"

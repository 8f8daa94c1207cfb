"""Estimators with scikit-learn's interface, and the one pipeline that fits them."""

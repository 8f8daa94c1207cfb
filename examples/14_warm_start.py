"""Go on from the last fit: warm start.

Where data or settings change a little, the last coefficients are a good place to begin. The
certificate does not care where a fit began, so a warm start saves time and risks nothing.
"""

import numpy as np

from polytome import LogisticRegression, load_dataset

digits = load_dataset("digits")
X, y = digits.X, digits.y

cold = LogisticRegression(C=0.01, solver="lbfgs").fit(X[:1700], y[:1700])
print(f"1,700 rows, from nothing: {cold.n_iter_[0]} iterations, gap {cold.certificate_.gap:.1e}")

# Ninety-seven rows more, of today.
fresh = LogisticRegression(C=0.01, solver="lbfgs").fit(X, y)
warm = LogisticRegression(C=0.01, solver="lbfgs", warm_start=True)
warm.fit(X[:1700], y[:1700]).fit(X, y)
print(f"all rows, from nothing:   {fresh.n_iter_[0]} iterations, gap {fresh.certificate_.gap:.1e}")
print(f"all rows, warm:           {warm.n_iter_[0]} iterations, gap {warm.certificate_.gap:.1e}")

apart = np.abs(fresh.predict_proba(X) - warm.predict_proba(X)).max()
print(f"both are proved; their probabilities differ by {apart:.4f} at most")

"""Columns of any size: units.

For the solver units do not matter, and nothing needs to be scaled before a fit. For the penalty
they do, because it counts coefficients: `scale="standard"` makes the answer independent of units
without a copy of the data.
"""

import numpy as np

from polytome import LogisticRegression, load_dataset

cancer = load_dataset("breast-cancer")
spread = cancer.X.std(axis=0)
ratio = spread.max() / spread.min()
print(f"the widest column spreads {ratio:,.0f} times as much as the narrowest")

units = 10.0 ** np.random.default_rng(0).integers(-6, 7, size=cancer.X.shape[1])
for scale in (None, "standard"):
    here = LogisticRegression(C=1.0, scale=scale, tol=1e-8).fit(cancer.X, cancer.y)
    there = LogisticRegression(C=1.0, scale=scale, tol=1e-8).fit(cancer.X * units, cancer.y)
    apart = np.abs(here.predict_proba(cancer.X) - there.predict_proba(cancer.X * units)).max()
    print(f"scale={scale!r}")
    print(f"  as given:          {here.certificate_}")
    print(f"  in other units:    {there.certificate_}")
    print(f"  largest difference of a probability: {apart:.1e}")

"""Would an exact fit predict the same? Settled predictions.

A fit stops a little above the minimum. The certificate bounds how far, and so which predictions the
exact minimum would keep: these are settled, by proof. A tenth of the tolerance settles more of
them, until none is left open.
"""

from polytome import LogisticRegression
from polytome.evaluation.settled import settled_rows
from polytome.files.sources import fit_source, open_source

digits = open_source("digits")
for tol in (1e-2, 1e-4, 1e-6, 1e-8):
    model = fit_source(LogisticRegression(C=0.01, tol=tol), digits)
    settled = settled_rows(model, digits.X)
    print(f"tol = {tol:g}: gap {model.certificate_.gap:.1e}, {settled.mean():.1%} of rows settled")

reference = LogisticRegression(C=0.01, tol=1e-12).fit(digits.X, digits.y)
changed = reference.predict(digits.X) != model.predict(digits.X)
print(f"of the settled rows, an almost exact fit changes {int((changed & settled).sum())}")

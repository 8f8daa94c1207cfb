"""Show it to people: a report, a card, a figure.

A report is one HTML file without scripts that needs nothing else: what was minimised, how close to
the optimum it is proved to be, how good it is on rows that it has not seen, with intervals, and how
to make it all again.
"""

from pathlib import Path

from polytome import LogisticRegression, load_dataset
from polytome.plots import ConfusionDisplay, ConvergenceDisplay

digits = load_dataset("digits")
train, test = slice(None, 900), slice(900, None)
X, y = digits.X[train], digits.y[train]
model = LogisticRegression(scale=16).fit(X, y)

report = model.report(digits.X[test], digits.y[test], X_train=X, y_train=y)
report.save("digits.html")
size = Path("digits.html").stat().st_size // 1024
print(f"digits.html: {size} KiB, and nothing else to send along")

confusions = ConfusionDisplay.from_estimator(model, digits.X[test], digits.y[test])
convergence = ConvergenceDisplay.from_estimator(model)
for display in (confusions, convergence):
    print(display.description())
    display.figure_.savefig(f"{type(display).__name__}.png")

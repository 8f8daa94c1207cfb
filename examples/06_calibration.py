"""Are the probabilities true? Calibration.

Of the predictions that say 80 %, four in five should be right. A fit without much penalty on few
rows is too sure of itself; the diagram shows by how much, with the interval of each bin.
"""

from polytome import LogisticRegression, load_dataset
from polytome.evaluation.metrics import evaluate
from polytome.plots import CalibrationDisplay

digits = load_dataset("digits")
train, test = slice(None, 200), slice(200, None)

displays = []
for C in (1e6, 3):
    model = LogisticRegression(C=C, scale=16).fit(digits.X[train], digits.y[train])
    found = evaluate(model, digits.X[test], digits.y[test])
    sure = model.predict_proba(digits.X[test]).max(axis=1).mean()
    print(f"C = {C:g}: {found.accuracy:.1%} right, {sure:.1%} sure, log-loss {found.log_loss:.3f}")
    displays.append(CalibrationDisplay.from_estimator(model, digits.X[test], digits.y[test]))

too_sure, careful = displays
careful.figure_.savefig("calibration.png")

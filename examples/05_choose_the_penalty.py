"""Choose C by a sweep.

`C` says how little the penalty counts. A sweep fits each C, warm from the one before, and judges it
on rows that it has not seen: the best is where the held-out loss is smallest, not where the
training loss is.
"""

import numpy as np

from polytome import LogisticRegression, load_dataset
from polytome.evaluation.sweeps import regularization_path
from polytome.plots import RegularizationDisplay

digits = load_dataset("digits")
order = np.random.default_rng(0).permutation(len(digits.y))
train, held_out = order[:600], order[600:]
rows = digits.X[train], digits.y[train], digits.X[held_out], digits.y[held_out]
strengths = [10.0**power for power in range(-4, 5)]

model = LogisticRegression(scale=16)
path = regularization_path(model, *rows, Cs=strengths)
for point in path:
    print(f"C = {point.C:<8g} training {point.train_loss:.4f}   held out {point.held_out_loss:.4f}")

best = min(path, key=lambda point: point.held_out_loss)
print(f"best: C = {best.C:g}")

display = RegularizationDisplay.from_estimator(model, *rows, Cs=strengths)
display.figure_.savefig("path.png")

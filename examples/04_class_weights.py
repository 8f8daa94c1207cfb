"""A rare class: weights.

One digit in ten is an eight. Weights that count each class alike find more of the eights and call
more of the others eights: they do not make the model better, they move the price of its two errors.
Probabilities of the weighted fit are about a world where every second digit is an eight.
"""

from polytome import LogisticRegression, load_dataset
from polytome.evaluation.intervals import class_qualities
from polytome.evaluation.metrics import evaluate

digits = load_dataset("digits")
is_eight = digits.y == 8
train, test = slice(None, 900), slice(900, None)

for weight in (None, "balanced", {False: 1.0, True: 3.0}):
    model = LogisticRegression(C=0.001, class_weight=weight).fit(digits.X[train], is_eight[train])
    found = evaluate(model, digits.X[test], is_eight[test])
    _, eights = class_qualities(found.confusion, found.classes)
    print(f"class_weight={weight}")
    low, high = eights.recall.low, eights.recall.high
    print(f"  eights found: {eights.recall.value:.0%} (between {low:.0%} and {high:.0%})")
    print(f"  of those called eights, right: {eights.precision.value:.0%}")
    probability = model.predict_proba(digits.X[test])[:, 1].mean()
    print(f"  mean probability of an eight: {probability:.2f}")
    print(f"  {model.certificate_}")

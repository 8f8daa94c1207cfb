"""Why this class? Explain one prediction.

Scores are sums, so what each feature adds is exact: its coefficient times its distance from a
reference. And for each feature there is one smallest change that would change the class, if it can.
"""

import pandas as pd

from polytome import LogisticRegression, load_dataset
from polytome.evaluation.flips import smallest_flips
from polytome.plots import ContributionsDisplay

wine = load_dataset("wine")
X = pd.DataFrame(wine.X, columns=wine.feature_names)
model = LogisticRegression(scale="standard").fit(X, wine.y)

bottle = X.iloc[[83]]
(label,) = model.predict(bottle)
print(f"predicted: {label}, with {model.predict_proba(bottle).max():.0%}; it is {wine.y[83]}")

for flip in smallest_flips(model, bottle, most=4):
    print(f"{flip.feature}: {flip.value:g} -> {flip.rounded:g} makes it {flip.label}")

display = ContributionsDisplay.from_estimator(model, bottle, reference=X.mean())
display.figure_.savefig("why.png")

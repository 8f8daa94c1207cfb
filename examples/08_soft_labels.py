"""Labels that are not sure: soft labels.

Where people disagree, a row can carry a distribution over the classes instead of one of them. Here
ten readers name each digit, some digits more often wrongly than others; the fit takes their shares
as they are, and its certificate is about the cross-entropy to these shares.
"""

import numpy as np

from polytome import LogisticRegression, load_dataset

digits = load_dataset("digits")
rng = np.random.default_rng(0)
train, test = slice(None, 900), slice(900, None)

# A reader errs with a probability of up to a half, and then names any digit.
trouble = rng.uniform(0, 0.5, size=900)
votes = np.zeros((900, 10))
for row, label in enumerate(digits.y[train]):
    named = np.where(rng.random(10) < trouble[row], rng.integers(0, 10, size=10), label)
    votes[row] = np.bincount(named, minlength=10)

one_reader = [rng.choice(10, p=each / 10) for each in votes]
soft = LogisticRegression(C=0.1, scale=16).fit(digits.X[train], votes / 10)
hard = LogisticRegression(C=0.1, scale=16).fit(digits.X[train], one_reader)

print(soft.certificate_)
for name, model in (("ten readers, soft labels", soft), ("one reader, hard labels", hard)):
    right = np.mean(model.predict(digits.X[test]).astype(int) == digits.y[test])
    print(f"{name:26} {right:.1%} right")

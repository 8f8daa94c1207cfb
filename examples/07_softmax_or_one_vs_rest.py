"""Softmax, or one model for each class?

Softmax makes one model of classes that exclude each other: its probabilities are coherent because
they were fitted together. One-vs-rest asks "is it a 3?" ten times and divides by the sum
afterwards. Both are certified; which one to take is a question of what the probabilities are for.
"""

from sklearn.metrics import log_loss

from polytome import LogisticRegression, OneVsOne, OneVsRest, load_dataset

digits = load_dataset("digits")
train, test = slice(None, 900), slice(900, None)

print(f"{'model':20} {'right':>7} {'log-loss':>9}  certificate")
for kind in (LogisticRegression, OneVsRest, OneVsOne):
    model = kind(C=0.01).fit(digits.X[train], digits.y[train])
    right = model.score(digits.X[test], digits.y[test])
    loss = "-"  # votes of pairs are no probabilities
    if kind is not OneVsOne:
        loss = f"{log_loss(digits.y[test], model.predict_proba(digits.X[test])):.3f}"
    proof = model.certificate_
    print(f"{kind.__name__:20} {right:7.1%} {loss:>9}  {proof.kind}, gap {proof.gap:.1e}")

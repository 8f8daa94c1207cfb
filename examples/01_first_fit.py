"""A first fit, and its proof.

Three kinds of irises, four lengths each. A fit ends with a certificate: how far its objective is
from the smallest possible one, at most. There is no solver to choose, and one tolerance with one
meaning.
"""

from polytome import LogisticRegression, load_dataset

iris = load_dataset("iris")
model = LogisticRegression().fit(iris.X, iris.y)

print(model.objective_)
print(model.certificate_)
print("stopped because:", model.stop_.name)
print("solver:", model.solver_)

# A smaller tolerance has the same meaning: a part of what the best constant prediction costs.
exact = LogisticRegression(tol=1e-10).fit(iris.X, iris.y)
print(exact.certificate_)

flower = [[5.9, 3.0, 5.1, 1.8]]
for label, probability in zip(exact.classes_, exact.predict_proba(flower)[0], strict=True):
    print(f"{label:12} {probability:.3f}")

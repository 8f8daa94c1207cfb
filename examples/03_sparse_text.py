"""Words as columns: sparse text.

Is it a classifier, a regressor or something that transforms, judged by what its documentation says?
Each word is a column, nearly all cells are zero, and the matrix stays sparse from the first pass to
the last.
"""

import inspect

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import all_estimators

from polytome import LogisticRegression

texts, kinds = [], []
for kind in ("classifier", "regressor", "transformer"):
    for _, estimator in all_estimators(kind):
        texts.append(inspect.getdoc(estimator) or "")
        kinds.append(kind)

# The word itself would tell; so would its plural and its parts.
stop = ["classifier", "classifiers", "regressor", "regressors", "transformer", "transform"]
words = TfidfVectorizer(stop_words=stop, sublinear_tf=True, min_df=2)
X = words.fit_transform(texts)
print(f"{X.shape[0]} documents, {X.shape[1]} words, {X.nnz / X.shape[0]:.0f} in a document")

model = LogisticRegression(C=100).fit(X[::2], kinds[::2])
print(model.certificate_)
print(f"right on the other half: {model.score(X[1::2], kinds[1::2]):.0%}")

names = words.get_feature_names_out()
for kind, coefficients in zip(model.classes_, model.coef_, strict=True):
    largest = coefficients.argsort()[::-1][:6]
    print(f"{kind:12}", *names[largest])

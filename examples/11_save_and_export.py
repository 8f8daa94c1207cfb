"""Keep a model, and take it elsewhere.

A model's file is never executed, only read. A query of SQL, a C header or an ONNX graph predict the
same where Polytome is not installed; those that can be run here are compared with the model before
their file is written.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from polytome import LogisticRegression, load, load_dataset
from polytome.export import to_sql, write_c, write_onnx

iris = load_dataset("iris")
X = pd.DataFrame(iris.X[:, 2:], columns=["petal_length", "petal_width"])
model = LogisticRegression().fit(X, iris.y)

model.save("iris.safetensors")
again = load("iris.safetensors")
print("the same coefficients after loading:", np.array_equal(again.coef_, model.coef_))
print("the same certificate:", again.certificate_ == model.certificate_)

print(f"largest difference in ONNX: {write_onnx(model, 'iris.onnx').largest_difference:.0e}")
write_c(model, "iris.h")
print("files:", *sorted(path.name for path in Path().iterdir()))

query = to_sql(model, table="flowers", keep=["id"])
print("what the query for a table of flowers ends with:")
print(*query.splitlines()[-9:], sep="\n")

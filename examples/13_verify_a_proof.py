"""Do not believe the proof: verify it.

A certificate is a claim about numbers. The checker reads model and data, computes in arithmetic
that knows its own rounding, and shares nothing with the fit. A claim that is made up is refuted by
better coefficients.
"""

from polytome import LogisticRegression, load, load_dataset, verify

wine = load_dataset("wine")
model = LogisticRegression(scale="standard").fit(wine.X, wine.y)

found = verify(model, wine.X, wine.y)
print(found.verdict)
print(f"claimed: within {model.certificate_.gap:.2e} of the minimum")
print(f"proved here: within {found.excess_at_most:.2e}")

# Someone changes a coefficient and keeps the certificate.
model.save("wine.safetensors")
changed = load("wine.safetensors")
changed.coef_[0, 0] += 0.1
print(verify(changed, wine.X, wine.y).verdict)

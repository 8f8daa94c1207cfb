"""A CSV from the terminal.

A table with numbers, words and gaps needs no preparation: text columns become one column for each
level, missing cells are filled and marked, and all that is learned from the table travels in the
model's file. The three commands are what one types in a terminal.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

rng = np.random.default_rng(0)
lines = ["age,town,hours,returns"]
for _ in range(400):
    age, hours = rng.integers(18, 80), rng.gamma(2.0, 3.0)
    town = rng.choice(["Ghent", "Lyon", "Turin"])
    likely = 1 / (1 + np.exp(3.0 - 0.04 * age - 0.15 * hours - (town == "Lyon")))
    cell = "" if rng.random() < 0.05 else f"{hours:.1f}"
    lines.append(f"{age},{town},{cell},{'yes' if rng.random() < likely else 'no'}")
Path("visits.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
Path("tomorrow.csv").write_text("age,town,hours\n34,Lyon,9.5\n21,Ghent,\n", encoding="utf-8")

commands = [
    "train visits.csv --target returns --missing mean --test-fraction 0.25 --out m.safetensors",
    "predict m.safetensors tomorrow.csv",
    "explain m.safetensors",
]
for command in commands:
    print(f"$ polytome {command}")
    words = [sys.executable, "-m", "polytome", *command.split()]
    done = subprocess.run(words, capture_output=True, text=True)
    print(done.stdout + done.stderr)

#!/usr/bin/env python3
"""Prints how well the grounds of an answer tell questions that the documents answer from those they do not.

    carrel eval SET --answers --each --json > report.json
    calibrate_refusal.py report.json...

For each report: the area under the curve of each ground and of the sum that carrel-generate weighs them by, and
for several values of its bar the share of unanswerable (recall) and of answerable (false) questions that are refused.
A fit of all weights to 40 questions of two sets did worse on those left out than this sum of four. Needs numpy.
"""
import json
import sys

import numpy as np

NAMES = ["sentence", "stretch", "passage", "similarity", "missing", "far", "heaviest", "untyped", "opposed",
         "absent", "support"]
SUM = {"absent": -1.0, "similarity": 3.0, "stretch": 2.0, "support": 1.5}
BARS = (5.8, 6.2, 6.6, 7.0, 7.4)


def area(values, labels):
    for_, against = values[labels], values[~labels]
    return np.mean([(a > b) + 0.5 * (a == b) for a in for_ for b in against])


def main():
    for path in sys.argv[1:]:
        report = json.load(open(path))
        each = report.get("answers", report)["each"]
        rows = np.array([case["grounds"] for case in each])
        labels = np.array([case["answerable"] for case in each])
        refused = np.array([case["refused"] for case in each])
        print(path, len(each), "questions,", labels.sum(), "answerable")
        for name, column in zip(NAMES, rows.T):
            print(f"  {name:12} {area(column, labels):.2f}")
        total = sum(weight * rows[:, NAMES.index(name)] for name, weight in SUM.items())
        print(f"  {'sum':12} {area(total, labels):.2f}")
        for bar in BARS:
            below = refused | (total < bar)
            print(f"  bar {bar}: recall {below[~labels].mean():.2f}, false {below[labels].mean():.2f}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fits when to refuse, from reports of `carrel eval SET --answers --each --json`, and prints the error rates.

    calibrate_refusal.py REPORT.json...

A question is to be answered when it has an answer in the documents and what was written contains it, or is
cited at its place; it is to be refused when the documents do not hold one. Half of the questions (by SHA-1 of the id)
fit, the other half measure. Needs numpy.
"""
import hashlib
import json
import sys

import numpy as np

NAMES = ["sentence", "stretch", "passage", "similarity", "missing", "far", "heaviest", "untyped", "opposed",
         "absent", "fluency", "support", "relevance"]
# Held to what the value can mean: more of the question found never speaks against an answer.
SIGNS = [1, 1, 1, 1, -1, -1, -1, -1, -1, -1, 1, 1, 1]
RIDGE = 2.0


def held_out(identity):
    return hashlib.sha1(("half" + identity).encode()).digest()[0] % 2 == 1


def fit(rows, labels):
    """Logistic regression with a ridge and signs, by projected gradient."""
    scale = rows.std(0) + 1e-6
    centre = rows.mean(0)
    x = (rows - centre) / scale
    factors, bias, signs = np.zeros(x.shape[1]), 0.0, np.array(SIGNS)
    weight = np.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    for _ in range(20_000):
        gap = weight * (1 / (1 + np.exp(-(x @ factors + bias))) - labels)
        factors -= 0.05 * (x.T @ gap + RIDGE * factors) / len(x)
        bias -= 0.05 * gap.mean()
        factors = np.where(factors * signs < 0, 0.0, factors)
    return factors / scale, bias - (factors / scale * centre).sum()


def rates(scores, labels, threshold):
    refused = scores < threshold
    return refused[labels == 0].mean(), refused[labels == 1].mean()


def main():
    cases = []
    for path in sys.argv[1:]:
        report = json.load(open(path))
        each = report.get("answers", report)["each"]
        cases += [(path, case) for case in each if len(case["grounds"]) == len(NAMES)]
    rows = np.array([case["grounds"] for _, case in cases])
    labels = np.array([float(case["answerable"]) for _, case in cases])
    held = np.array([held_out(case["id"]) for _, case in cases])
    factors, bias = fit(rows[~held], labels[~held])
    scores = 1 / (1 + np.exp(-(rows @ factors + bias)))
    print("bias", round(float(bias), 2))
    for name, factor in zip(NAMES, factors):
        print(f"{name:12} {factor:.2f}")
    for path in sys.argv[1:]:
        here = np.array([name == path for name, _ in cases])
        for half, which in [("fitted", here & ~held), ("held out", here & held)]:
            for threshold in (0.3, 0.4, 0.5, 0.6):
                recall, false = rates(scores[which], labels[which], threshold)
                print(f"{path} {half} below {threshold}: refused of unanswerable {recall:.2f}, of answerable {false:.2f}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fits the weights that tell questions that the documents answer from those they do not (carrel-generate, `grounds.rs`).

    carrel eval SET --answers --each --json > report.json
    calibrate_refusal.py [GROUND,GROUND...] report.json...

Of the answers that were supported, prints for each report the area under the curve of every ground. Then fits a logistic
score of the grounds named (by default those in use), each set with the same weight, and prints what share of unanswerable
(recall) and of answerable (false) questions is refused by each bar, with the question itself left out of the fit. What was
refused before that counts as refused. Needs numpy.
"""
import json
import sys

import numpy as np

NAMES = ["sentence", "stretch", "passage", "similarity", "missing", "far", "heaviest", "untyped", "opposed",
         "support", "near", "found", "right", "quoted", "absent", "expected"]
USED = ["near", "found", "right", "absent", "expected"]
BARS = (-0.9, -0.6, -0.3, 0.0, 0.3)
PENALTY = 1.0


class Report:
    def __init__(self, path):
        report = json.load(open(path))
        each = report.get("answers", report)["each"]
        self.path = path
        self.rows = np.array([case["grounds"] for case in each])
        self.answerable = np.array([case["answerable"] for case in each])
        # What was not looked at again was refused before.
        self.judged = self.rows[:, NAMES.index("right")] != 0


def area(values, labels):
    pairs = [(a > b) + 0.5 * (a == b) for a in values[labels] for b in values[~labels]]
    return np.mean(pairs) if pairs else float("nan")


def fit(rows, labels, weights):
    """Logistic regression by Newton's method. Gives a function of rows, and what it adds up: factors and bias."""
    mean, deviation = rows.mean(0), rows.std(0) + 1e-9
    x = np.c_[(rows - mean) / deviation, np.ones(len(rows))]
    ridge = np.diag([PENALTY] * rows.shape[1] + [0.0])
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (weights * (p - labels)) + ridge @ w
        w -= np.linalg.solve((x * (weights * p * (1 - p))[:, None]).T @ x + ridge, gradient)
    factors = w[:-1] / deviation
    bias = w[-1] - factors @ mean
    return lambda other: other @ factors + bias, factors, bias


def main():
    arguments = sys.argv[1:]
    used = arguments.pop(0).split(",") if arguments and not arguments[0].endswith(".json") else USED
    reports = [Report(path) for path in arguments]
    columns = [NAMES.index(name) for name in used]
    for report in reports:
        areas = (f"{name} {area(report.rows[report.judged, i], report.answerable[report.judged]):.2f}"
                 for i, name in enumerate(NAMES))
        print(report.path, len(report.rows), "questions:", ", ".join(areas))
    rows = np.vstack([report.rows[report.judged] for report in reports])[:, columns]
    labels = np.concatenate([report.answerable[report.judged] for report in reports]).astype(float)
    size = len(labels) / len(reports)
    weights = np.concatenate([np.full(report.judged.sum(), size / report.judged.sum()) for report in reports])
    score, factors, bias = fit(rows, labels, weights)
    print("factors", dict(zip(used, factors.round(2).tolist())), "bias", round(bias, 2))
    at = 0
    for report in reports:
        scores = score(report.rows[:, columns])
        for i in np.flatnonzero(report.judged):
            rest = np.arange(len(labels)) != at
            scores[i] = fit(rows[rest], labels[rest], weights[rest])[0](rows[at])
            at += 1
        found = area(scores[report.judged], report.answerable[report.judged])
        print(report.path, report.judged.sum(), "judged, area", round(found, 3))
        for bar in BARS:
            refused = ~report.judged | (scores < bar)
            print(f"  bar {bar}: recall {refused[~report.answerable].mean():.2f}, "
                  f"false {refused[report.answerable].mean():.2f}")


if __name__ == "__main__":
    main()

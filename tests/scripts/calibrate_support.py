#!/usr/bin/env python3
"""Fits the constants of carrel-generate's support score and prints its error rates.

    calibrate_support.py EVAL_DIR EMBEDDER_DIR BRIDGE [--limit N]

EVAL_DIR holds `scifact` and `clapnq` (queries.jsonl and docs). EMBEDDER_DIR holds all-MiniLM-L6-v2
(model.safetensors, tokenizer.json). BRIDGE is the built example `bridge` of carrel-generate. Needs numpy and tokenizers.

Positives: scifact claims that their abstract supports; sentences of clapnq's gold answers with the gold passage
among three others. Negatives: scifact claims that their abstract contradicts or does not decide; clapnq sentences with the
supporting sentences cut out of the passage, with another question's passage, or with a changed figure.
Half of the questions (by SHA-1 of the id) fit, the other half measure.
"""
import argparse
import hashlib
import json
import random
import re
import subprocess
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

NAMES = ["words", "new_words", "pairs", "similarity", "question", "denied", "antonym"]


class MiniLM:
    """all-MiniLM-L6-v2 in numpy: BERT, mean pooling, unit length."""

    def __init__(self, directory):
        raw = (Path(directory) / "model.safetensors").read_bytes()
        size = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:8 + size])
        self.weights = {}
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] == "F32":
                start, end = (8 + size + at for at in entry["data_offsets"])
                self.weights[name] = np.frombuffer(raw[start:end], np.float32).reshape(entry["shape"])
        self.tokenizer = Tokenizer.from_file(str(Path(directory) / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self.cache = {}

    def embed(self, texts):
        for text in texts:
            if text not in self.cache:
                self.cache[text] = self.one(text)
        return [self.cache[text] for text in texts]

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def one(self, text):
        ids = self.tokenizer.encode(text).ids
        w, n = self.weights, len(ids)
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:n]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(6):
            at = f"encoder.layer.{layer}."
            q, k, v = (self.linear(x, at + "attention.self." + part).reshape(n, 12, 32).transpose(1, 0, 2)
                       for part in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(32)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            mixed = (scores / scores.sum(-1, keepdims=True)) @ v
            x = self.norm(x + self.linear(mixed.transpose(1, 0, 2).reshape(n, 384), at + "attention.output.dense"),
                          at + "attention.output.LayerNorm")
            h = self.linear(x, at + "intermediate.dense")
            h = 0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h ** 3)))
            x = self.norm(x + self.linear(h, at + "output.dense"), at + "output.LayerNorm")
        mean = x.mean(0)
        return (mean / np.linalg.norm(mean)).tolist()


class Bridge:
    """The crate at the other end of a pipe; `embed` and the methods of `model`, if any, answer its calls."""

    def __init__(self, program, embedder, model=None):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.embedder, self.model = embedder, model

    def send(self, value):
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def ask(self, **request):
        self.send(request)
        while True:
            reply = json.loads(self.process.stdout.readline())
            if "done" in reply:
                return reply["done"]
            if reply["call"] == "embed":
                self.send({"vectors": self.embedder.embed(reply["texts"])})
            elif reply["call"] == "generate":
                self.send(self.model.generate(reply))
            else:
                self.send({"score": self.model.score(reply)})


def queries(directory):
    with open(directory / "queries.jsonl") as lines:
        rows = [json.loads(line) for line in lines]
    return sorted(rows, key=lambda row: hashlib.sha1(row["id"].encode()).hexdigest())


def held_out(identity):
    return hashlib.sha1(("half" + identity).encode()).digest()[0] % 2 == 1


def passage(path, text, document=0):
    return {"path": path.name, "title": path.stem.replace("_", " "), "text": text, "document": document}


def scifact_cases(directory, limit):
    for row in queries(directory)[:limit]:
        path = directory / "docs" / row["relevant"][0]["doc"]
        yield row["id"], row["answer"].lower(), "", row["question"], [passage(path, path.read_text())], \
            row["answer"] == "SUPPORT"


def clapnq_cases(directory, limit):
    rows = [row for row in queries(directory) if row["answerable"]][:limit]
    texts = {row["id"]: directory / "docs" / row["relevant"][0]["doc"] for row in rows}
    chance = random.Random(1)
    for row in rows:
        path = texts[row["id"]]
        text = path.read_text()
        others = [texts[other["id"]] for other in chance.sample(rows, 4) if other["id"] != row["id"]][:3]
        around = [passage(other, other.read_text(), at + 1) for at, other in enumerate(others)]
        without = text
        for gold in row["relevant"]:
            without = without.replace(gold["text"], "")
        sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+(?=[A-Z`])", row["answer"]) if len(s.split()) > 3]
        for claim in sentences[:3]:
            yield row["id"], "quoted", row["question"], claim, [passage(path, text)] + around, True
            yield row["id"], "cut out", row["question"], claim, [passage(path, without)] + around, False
            yield row["id"], "elsewhere", row["question"], claim, around, False
            figure = re.search(r"\d+", claim)
            if figure:
                changed = str(int(figure.group()) + 7)
                claim = claim[:figure.start()] + changed + claim[figure.end():]
                yield row["id"], "changed figure", row["question"], claim, [passage(path, text)] + around, False


def fit(x, y, ridge=1.0):
    """Logistic regression by Newton's method; the bias is not penalised. Both classes weigh the same."""
    x = np.hstack([np.ones((len(x), 1)), x])
    share = np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    penalty = ridge * np.eye(x.shape[1])
    penalty[0, 0] = 0
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (share * (y - p)) - penalty @ beta
        beta += np.linalg.solve((x * (share * p * (1 - p))[:, None]).T @ x + penalty, gradient)
    return beta


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("eval", type=Path)
    parser.add_argument("embedder")
    parser.add_argument("bridge")
    parser.add_argument("--limit", type=int, default=10_000)
    arguments = parser.parse_args()
    bridge = Bridge(arguments.bridge, MiniLM(arguments.embedder))
    kinds, rows, labels, test = [], [], [], []
    cases = list(scifact_cases(arguments.eval / "scifact", arguments.limit))
    cases += clapnq_cases(arguments.eval / "clapnq", arguments.limit)
    for identity, kind, question, claim, passages, label in cases:
        rows.append(bridge.ask(op="support", question=question, claim=claim, passages=passages))
        kinds.append(kind)
        labels.append(label)
        test.append(held_out(identity))
    rows, labels, test, kinds = np.array(rows), np.array(labels), np.array(test), np.array(kinds)
    letter = (rows[:, 7] + rows[:, 8]) > 0
    usable = ~test & ~letter
    beta = fit(rows[usable, :7], labels[usable])
    print("bias", round(float(beta[0]), 2), *(f"{name} {value:.2f}" for name, value in zip(NAMES, beta[1:])))
    fitted = 1 / (1 + np.exp(-(beta[0] + rows[:, :7] @ beta[1:])))
    for name, score in (("built in", rows[:, 9]), ("fitted", fitted)):
        print(f"\n{name}: share judged supported at thresholds, on the half not fitted")
        for kind in dict.fromkeys(kinds):
            of = test & (kinds == kind)
            shares = [f"{t:.1f}: {((score >= t) & ~letter)[of].mean():.3f}" for t in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)]
            print(f"  {kind:20} n={of.sum():4} letter={letter[of].mean():.3f} ", "  ".join(shares))


if __name__ == "__main__":
    main()

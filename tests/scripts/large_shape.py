#!/usr/bin/env python3
"""A model in the shape of Phi-3-mini (3.8 billion weights, Q4_K_M), with random weights: for measuring memory and speed.

    python3 tests/scripts/large_shape.py large.gguf        2.3 GB
    carrel bench --model large.gguf --prefill 4000 --depth 4000 --write 8 --runs 1

Needs `pip install gguf numpy`.
"""

import sys

import gguf
import numpy as np

TYPES = gguf.GGMLQuantizationType
LAYERS, WIDTH, HEADS, HIDDEN, VOCABULARY, CONTEXT = 32, 3072, 32, 8192, 32064, 4096
# Where the half-precision factors of a block lie, and how large they are for weights of about 1/sqrt(width).
FACTORS = {TYPES.Q4_K: ((0, 7e-5), (2, 5e-4)), TYPES.Q6_K: ((208, 1.3e-5),)}


def rows(rng, kind, count, columns):
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (count * columns // block, size), dtype=np.uint8)
    for at, factor in FACTORS[kind]:
        data[:, at : at + 2] = np.array([factor], np.float16).view(np.uint8)
    return data.reshape(count, -1)


def main():
    rng = np.random.default_rng(1)
    out = gguf.GGUFWriter(sys.argv[1], "phi3", use_temp_file=True)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(HIDDEN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10000.0)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(VOCABULARY)
    out.add_tokenizer_model("none")

    def matrix(name, count, columns, kind=TYPES.Q4_K):
        out.add_tensor(name, rows(rng, kind, count, columns), raw_dtype=kind)

    def ones(name):
        out.add_tensor(name, np.ones(WIDTH, np.float32))

    matrix("token_embd.weight", VOCABULARY, WIDTH)
    ones("output_norm.weight")
    matrix("output.weight", VOCABULARY, WIDTH, TYPES.Q6_K)
    for layer in range(LAYERS):
        # As Q4_K_M does: half of the `down` matrices have six bits.
        fine = TYPES.Q6_K if layer % 2 else TYPES.Q4_K
        ones(f"blk.{layer}.attn_norm.weight")
        ones(f"blk.{layer}.ffn_norm.weight")
        matrix(f"blk.{layer}.attn_qkv.weight", 3 * WIDTH, WIDTH)
        matrix(f"blk.{layer}.attn_output.weight", WIDTH, WIDTH)
        matrix(f"blk.{layer}.ffn_up.weight", 2 * HIDDEN, WIDTH)
        matrix(f"blk.{layer}.ffn_down.weight", WIDTH, HIDDEN, fine)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


main()

#!/usr/bin/env python3
"""Tiny cross-encoders with random weights and their golden logits, by a plain numpy BERT that shares no code with Carrel.

    python -m venv venv && venv/bin/pip install numpy safetensors tokenizers
    venv/bin/python tests/scripts/golden_rerankings.py tests/data/rerankers
"""
import json
import math
import sys
from pathlib import Path

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

QUESTION = "when is the rent due ?"
PASSAGES = [
    "the rent is due on the first day of every month .",
    "dogs need the consent of the landlord .",
    "bridge",
    "the tenant may keep one cat . the deposit is returned within thirty days after the lease ends , less the cost of repairs . " * 4,
]
WIDTH, HEADS, WIDE, LAYERS, LONGEST, EPSILON = 64, 2, 128, 2, 64, 1e-12

erf = numpy.vectorize(math.erf)


def tokenizer(roberta):
    words = sorted({word for text in [QUESTION, *PASSAGES] for word in text.split()})
    special = ["<s>", "<pad>", "</s>", "<unk>"] if roberta else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate(special + words)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>" if roberta else "[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if roberta:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    else:
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made, len(vocabulary)


def rounded(matrix):
    """Values that 8 bits and a half-precision scale for every 32 hold exactly, so that no weight differs."""
    blocks = matrix.reshape(-1, 32)
    scales = (numpy.abs(blocks).max(1, keepdims=True) / 127).astype(numpy.float16).astype(numpy.float32)
    return (numpy.clip(numpy.round(blocks / scales), -127, 127) * scales).reshape(matrix.shape)


def weights(roberta, vocabulary, random):
    draw = lambda *shape: random.normal(0, 0.5, shape).astype(numpy.float32)
    prefix = "roberta." if roberta else "bert."
    made = {}

    def linear(name, rows, columns):
        made[name + ".weight"] = rounded(draw(rows, columns) * numpy.float32(3 / math.sqrt(columns)))
        made[name + ".bias"] = draw(rows) * numpy.float32(0.2)

    def norm(name):
        made[name + ".weight"] = 1 + draw(WIDTH) * numpy.float32(0.2)
        made[name + ".bias"] = draw(WIDTH) * numpy.float32(0.2)

    made[prefix + "embeddings.word_embeddings.weight"] = draw(vocabulary, WIDTH)
    made[prefix + "embeddings.position_embeddings.weight"] = draw(LONGEST + 2 * roberta, WIDTH) * numpy.float32(0.3)
    made[prefix + "embeddings.token_type_embeddings.weight"] = draw(1 if roberta else 2, WIDTH)
    norm(prefix + "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"{prefix}encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            linear(name + "attention.self." + part, WIDTH, WIDTH)
        linear(name + "attention.output.dense", WIDTH, WIDTH)
        norm(name + "attention.output.LayerNorm")
        linear(name + "intermediate.dense", WIDE, WIDTH)
        linear(name + "output.dense", WIDTH, WIDE)
        norm(name + "output.LayerNorm")
    linear("classifier.dense" if roberta else "bert.pooler.dense", WIDTH, WIDTH)
    linear("classifier.out_proj" if roberta else "classifier", 1, WIDTH)
    made["classifier.out_proj.weight" if roberta else "classifier.weight"] *= 8
    return made


def judge(encoding, all_weights, roberta):
    prefix = "roberta." if roberta else "bert."
    of = lambda name: all_weights[name].astype(numpy.float64)
    linear = lambda x, name: x @ of(name + ".weight").T + of(name + ".bias")

    def norm(x, name):
        scaled = (x - x.mean(-1, keepdims=True)) / numpy.sqrt(x.var(-1, keepdims=True) + EPSILON)
        return scaled * of(name + ".weight") + of(name + ".bias")

    count, first = len(encoding.ids), 2 * roberta
    x = of(prefix + "embeddings.word_embeddings.weight")[encoding.ids]
    x = x + of(prefix + "embeddings.position_embeddings.weight")[first:first + count]
    x = x + of(prefix + "embeddings.token_type_embeddings.weight")[[0] * count if roberta else encoding.type_ids]
    x = norm(x, prefix + "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"{prefix}encoder.layer.{layer}."
        heads = lambda y: y.reshape(count, HEADS, -1).transpose(1, 0, 2)
        q, k, v = (heads(linear(x, name + "attention.self." + part)) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(count, -1)
        x = norm(x + linear(mixed, name + "attention.output.dense"), name + "attention.output.LayerNorm")
        y = linear(x, name + "intermediate.dense")
        y = y * 0.5 * (1 + erf(y / math.sqrt(2)))
        x = norm(x + linear(y, name + "output.dense"), name + "output.LayerNorm")
    pooled = numpy.tanh(linear(x[:1], "classifier.dense" if roberta else "bert.pooler.dense"))
    return float(linear(pooled, "classifier.out_proj" if roberta else "classifier")[0, 0])


def main(directory):
    for family in ("bert", "xlm-roberta"):
        roberta = family != "bert"
        out = directory / family
        out.mkdir(parents=True, exist_ok=True)
        made, vocabulary = tokenizer(roberta)
        drawn = weights(roberta, vocabulary, numpy.random.default_rng(11))
        config = {
            "architectures": ["XLMRobertaForSequenceClassification" if roberta else "BertForSequenceClassification"],
            "model_type": family, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "intermediate_size": WIDE, "hidden_act": "gelu", "vocab_size": vocabulary,
            "max_position_embeddings": LONGEST + 2 * roberta, "layer_norm_eps": EPSILON, "pad_token_id": int(roberta),
        }
        made.save(str(out / "tokenizer.json"))
        (out / "config.json").write_text(json.dumps(config) + "\n")
        save_file(drawn, str(out / "model.safetensors"))
        made.enable_truncation(LONGEST, strategy="only_second")
        logits = [round(judge(made.encode(QUESTION, passage), drawn, roberta), 5) for passage in PASSAGES]
        golden = {"question": QUESTION, "passages": PASSAGES, "logits": logits}
        (out / "golden.json").write_text(json.dumps(golden) + "\n")
        print(family, logits)


main(Path(sys.argv[1]))

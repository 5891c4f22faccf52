"""Golden token ids, by llama.cpp.

    python -m venv venv && venv/bin/pip install llama-cpp-python gguf
    venv/bin/python tests/scripts/golden_tokens.py NAME=FILE.gguf ... [--vocabularies]

Writes tests/data/tokens/NAME.json for each (`:` in a name becomes `-`). With `--vocabularies` it also makes small
files of vocabularies alone, for the splitting rules and the SentencePiece options that no small model at hand has, and
writes their ids.
"""

import json
import sys
from pathlib import Path

import gguf
from llama_cpp import Llama

OUT = Path(__file__).parent.parent / "data" / "tokens"

TEXTS = [
    "",
    " ",
    "Hello, world! It's 2024 and I'm here; we'll see 12345 things... DON'T",
    "The tenant shall pay EUR 1,450.00 (§ 4.2) by 03/01/2025.\n\n\n  Indented\tline\r\n end ",
    "   leading and trailing   ",
    "Ein Satz auf Deutsch: Grüße aus Zürich, ärgerlich übermäßig. Straße",
    "Français: l'été où ça s'arrête, « déjà vu » à Noël",
    "Русский текст: договор аренды №5 от 1 марта",
    "Ελληνικά: το ενοίκιο είναι πληρωτέο",
    "العربية: عقد الإيجار لمدة ثلاث سنوات",
    "עברית: חוזה השכירות",
    "हिन्दी: किरायेदार हर महीने भुगतान करेगा",
    "ภาษาไทย: สัญญาเช่า",
    "中文：租户应于每月第一天支付租金。1234年",
    "日本語：賃借人は毎月家賃を支払う。カタカナ",
    "한국어: 임차인은 매월 임대료를 지불한다",
    "Tiếng Việt: hợp đồng thuê nhà",
    "emoji 🙂👍🏽👨‍👩‍👧‍👦 flags 🇩🇪 symbols ∑∫√≈ ©®™ ½ Ⅳ ① x² e\u0301",
    "fn main() {\n    let x: Vec<u32> = vec![1, 2, 3];\n\tprintln!(\"{x:?}\"); // café\n}\n",
    "def f(a, b=None):\n    return {'k': a ** 2, \"z\": b or []}\n\n\nclass X:\n    pass\n",
    "<html><body class='a'>&amp; &lt;b&gt;</body></html>",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case path/to/file.txt user@example.com",
    "\n\n\n\n\t\t\t    \u00a0\u3000x",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    "<s>[INST] hi [/INST]</s><|endoftext|><end_of_turn>\n<start_of_turn>model",
    "a" * 100 + " " + "1" * 20 + " " + "=" * 70 + "\n" + "-" * 40,
    "'s 't 're 'VE 'm 'LL 'd can't CAN'T O'Neill",
]


def cases(path):
    model = Llama(str(path), vocab_only=True, verbose=False)
    encode = lambda text, add, special: model.tokenize(text.encode(), add_bos=add, special=special)
    return [
        {"text": text, "plain": encode(text, False, False), "special": encode(text, True, True)} for text in TEXTS
    ]


def write(name, model, path):
    OUT.mkdir(parents=True, exist_ok=True)
    golden = {"model": model, "cases": cases(path)}
    (OUT / f"{name}.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(name)


def gpt2_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def train(texts, rounds):
    """Merges of the most frequent pairs over whole words, as BPE is trained."""
    alphabet = gpt2_alphabet()
    words = [[alphabet[byte] for byte in word.encode()] for text in texts for word in split(text)]
    merges = []
    for _ in range(rounds):
        counts = {}
        for word in words:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        best = max(sorted(counts), key=counts.get)
        merges.append(best)
        for word in words:
            at = 0
            while at + 1 < len(word):
                if (word[at], word[at + 1]) == best:
                    word[at : at + 2] = [word[at] + word[at + 1]]
                at += 1
    return merges


def split(text):
    """Words with the space before them: rough, since the rules differ in how they cut."""
    out = []
    for character in text:
        if not out or character in " \n" or (out[-1][-1].isalnum() != character.isalnum() and out[-1] != " "):
            out.append("")
        out[-1] += character
    return out


def base(path, architecture):
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    return writer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def bpe_vocabulary(path, rule):
    merges = train(TEXTS, 400)
    tokens = list(gpt2_alphabet().values()) + ["".join(pair) for pair in merges]
    tokens = list(dict.fromkeys(tokens))
    types = [1] * len(tokens)
    for name in ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]:
        tokens.append(name)
        types.append(3)
    tokens.append("    ")
    types.append(4)
    writer = base(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(len(tokens) - 4)
    writer.add_eos_token_id(len(tokens) - 3)
    finish(writer)


def spm_vocabulary(path, name, space_prefix):
    pieces = {}
    for text in TEXTS:
        for word in split(text.replace(" ", "\u2581")):
            for start in range(len(word)):
                for end in range(start + 1, min(len(word), start + 6) + 1):
                    piece = word[start:end].replace(" ", "\u2581")
                    pieces[piece] = pieces.get(piece, 0) + 1
    kept = sorted(pieces, key=lambda piece: (-pieces[piece] * len(piece), piece))[:700]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + kept + ["<|end|>", "<|endoftext|>", "\n\n"]
    types = [2, 3, 3] + [6] * 256 + [1] * len(kept) + [3, 3, 4]
    scores = [0.0] * 259 + [-float(rank) for rank in range(len(kept))] + [0.0, 0.0, 0.0]
    writer = base(path, "llama")
    writer.add_name(name)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(space_prefix)
    finish(writer)


def vocabularies():
    for rule in ["llama-bpe", "qwen2", "smollm", "gpt-2", "refact", "smaug-bpe", "tekken", "gpt-4o", "falcon", "default"]:
        path = OUT / f"rule-{rule}.gguf"
        bpe_vocabulary(path, rule)
        write(f"rule-{rule}", path.name, path)
    for name, space_prefix in [("spm-prefix", True), ("spm-plain", False), ("spm-phi-3", True)]:
        path = OUT / f"{name}.gguf"
        spm_vocabulary(path, name, space_prefix)
        write(name, path.name, path)


def main(arguments):
    OUT.mkdir(parents=True, exist_ok=True)
    if "--vocabularies" in arguments:
        vocabularies()
    for argument in arguments:
        if "=" in argument:
            name, path = argument.split("=", 1)
            write(name.replace(":", "-"), name, Path(path))


main(sys.argv[1:])

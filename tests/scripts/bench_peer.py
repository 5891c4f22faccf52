#!/usr/bin/env python3
"""`carrel bench` beside llama.cpp: same GGUF, same threads, interleaved in one run, medians.

    cargo xtask bench --peer llama.cpp [--model NAME]... [--threads N] [--runs N] [--models-dir DIR]

Each round measures every model with both programs, one after the other, so that what else the machine does meets both.
Needs `pip install llama-cpp-python` (built on this machine, so that it uses what the processor has).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

PREFILL = [128, 512, 1024, 2048]
DEPTHS = [0, 1024, 2048]
DECODE = 32


def install_hint():
    sys.exit(
        "llama.cpp's Python package is not installed\n"
        "hint: pip install llama-cpp-python  (compiles llama.cpp; a virtual environment's `python3` first on the PATH)"
    )


class Peer:
    """llama.cpp with one sequence."""

    def __init__(self, path, threads):
        import llama_cpp

        self.api = llama_cpp
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        began = time.perf_counter()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), settings)
        if not self.model:
            sys.exit(f"llama.cpp could not load `{path}`")
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = max(PREFILL + DEPTHS) + DECODE + 8
        settings.n_batch = settings.n_ubatch = 512
        settings.n_threads = settings.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.load_s = time.perf_counter() - began

    def read(self, count):
        for start in range(0, count, 512):
            part = [100 + (start + at) * 7 % 1000 for at in range(min(512, count - start))]
            self.decode(part)

    def decode(self, tokens):
        array = (self.api.llama_token * len(tokens))(*tokens)
        status = self.api.llama_decode(self.context, self.api.llama_batch_get_one(array, len(tokens)))
        assert status == 0, f"llama_decode gave {status}"
        self.api.llama_synchronize(self.context)

    def prefill(self, tokens):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)
        began = time.perf_counter()
        self.read(tokens)
        return tokens / (time.perf_counter() - began)

    def write(self, depth):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)
        if depth:
            self.read(depth)
        self.decode([100])
        began = time.perf_counter()
        for token in range(DECODE):
            self.decode([100 + token])
        return DECODE / (time.perf_counter() - began)


def peer_once(path, threads):
    """Runs in a process of its own, so that its memory is its own."""
    import resource

    peer = Peer(path, threads)
    peer.prefill(64)
    report = {
        "load_s": peer.load_s,
        "prefill": [{"tokens": tokens, "tok_s": peer.prefill(tokens)} for tokens in PREFILL],
        "decode": [{"depth": depth, "speculation": False, "tok_s": peer.write(depth)} for depth in DEPTHS],
    }
    report["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(report))


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"`{command[0]}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def figures(report):
    """The comparable figures of one report by name."""
    found = {f"prefill {row['tokens']}": row["tok_s"] for row in report["prefill"]}
    found |= {f"decode at {row['depth']}": row["tok_s"] for row in report["decode"] if not row["speculation"]}
    for row in report["decode"]:
        # The peer has no lookup: what it writes plainly stands beside what repeats its prompt.
        if row["speculation"] or "first_token" not in report:
            found[f"quoting at {row['depth']}"] = row["tok_s"]
    return found | {"peak memory MB": report["peak_rss_bytes"] / 1e6, "load s": report["load_s"]}


def conversation(reports):
    """What only our own program is asked for."""
    middle = lambda of: statistics.median(of(report) for report in reports)
    cold, follow_up, restored = (
        middle(lambda report: report["first_token"][name]) for name in ("cold_s", "follow_up_s", "restored_s")
    )
    return (
        f"first token after {reports[0]['first_token']['tokens']}: follow-up {cold / follow_up:.0f} x sooner than cold, "
        f"after a restart {cold / restored:.0f} x; useless guesses cost {middle(lambda r: r['useless_guesses']) - 1:+.1%}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="a name in the store; may be given several times")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--models-dir", default=os.environ.get("CARREL_MODELS"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer-only", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer_only:
        return peer_once(arguments.peer_only, arguments.threads)
    try:
        import llama_cpp  # noqa: F401
    except ImportError:
        install_hint()
    carrel = os.environ.get("CARREL_BIN", "carrel")
    store = ["--models-dir", arguments.models_dir] if arguments.models_dir else []
    results = {}
    for model in arguments.model or ["qwen2.5-coder:1.5b", "qwen2.5-coder:0.5b", "smollm2:135m"]:
        ours, theirs, own = [], [], []
        for _ in range(arguments.runs):
            bench = [carrel, "bench", "--model", model, "--threads", str(arguments.threads), "--runs", "1", "--json"]
            report = run([*bench, *store])
            ours.append(figures(report))
            own.append(report)
            peer = [sys.executable, __file__, "--peer-only", report["file"], "--threads", str(arguments.threads)]
            theirs.append(figures(run(peer)))
        results[model] = {
            name: [statistics.median(round_[name] for round_ in side) for side in (ours, theirs)] for name in ours[0]
        }
        if not arguments.json:
            print(f"\n{model}, {arguments.threads} threads, medians of {arguments.runs}")
            print(f"{'':16}{'carrel':>10}{'llama.cpp':>11}{'ratio':>8}")
            for name, (mine, peer) in results[model].items():
                print(f"{name:16}{mine:10.1f}{peer:11.1f}{mine / peer:8.2f}")
            print(conversation(own))
            sys.stdout.flush()
    if arguments.json:
        print(json.dumps(results))


main()

"""Tokens a second of the same 5.9 M-parameter weights through each engine, against the engines' own loops.

Run: ``python benchmarks/engines.py --out build/engines``. Every contender runs in a process of its own; contenders take
turns within a round, and the table holds medians over rounds with the smallest and largest. All draw untruncated at
T = 1.5, where these texts do not end by themselves, with as many threads as there are cores unless ``--threads`` says
otherwise. ``--cpu --threads 1`` counts the processor's time instead of the clock's: for a machine that is not idle.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

PROMPT = "Once upon a time, there was a little girl who"
TOKENS, TEMPERATURE = 64, 1.5
BATCHES = (1, 16, 64)
WEIGHTS = Path(__file__).parents[1] / "src" / "tempering" / "models" / "weights"
OURS = {
    "tempering, ONNX Runtime": "embedded",
    "tempering, transformers": "hf:{folder}/transformers?device=cpu",
    "tempering, llama.cpp": "gguf:{folder}/stories.gguf?threads={threads}",
}
PEERS = {"transformers, generate": "transformers", "llama.cpp, its samplers": "llama.cpp"}
FAIR = {"tempering, transformers": "transformers, generate", "tempering, llama.cpp": "llama.cpp, its samplers"}
"""Ours on an engine, and the engine's own loop."""

Work = Callable[[], int]
"""Writes some texts; returns how many tokens they have."""


def ours(name: str, batch: int) -> Work:
    from tempering import Request, SamplingParams, generate, load_model  # noqa: PLC0415 - each in its own process

    model, calls = load_model(name), iter(range(10**6))

    def work() -> int:
        params = SamplingParams(temperature=TEMPERATURE, seed=next(calls))
        requests = [Request(PROMPT, params, sample, max_tokens=TOKENS) for sample in range(batch)]
        return sum(len(done.tokens) for done in generate(model, requests, batch_size=batch))

    return work


def transformers_loop(folder: Path, batch: int, threads: int) -> Work:
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "transformers", dtype=torch.float32).eval()
    ids = tokenizer([PROMPT] * batch, return_tensors="pt")

    def work() -> int:
        with torch.inference_mode():
            out = model.generate(
                **ids,
                do_sample=True,
                temperature=TEMPERATURE,
                top_k=0,
                top_p=1.0,
                max_new_tokens=TOKENS,
                min_new_tokens=TOKENS,
                pad_token_id=0,
            )
        return int(out.shape[0] * (out.shape[1] - ids["input_ids"].shape[1]))

    return work


def llama_cpp_loop(folder: Path, batch: int, threads: int) -> Work:
    """Decode as many sequences as the batch has in one call a step, and draw with a chain of samplers each."""
    import llama_cpp as lib  # noqa: PLC0415

    silent = lib.llama_log_callback(lambda *_: None)
    lib.llama_log_set(silent, ctypes.c_void_p(0))
    lib.llama_backend_init()
    handle = lib.llama_model_load_from_file(str(folder / "stories.gguf").encode(), lib.llama_model_default_params())
    vocabulary = lib.llama_model_get_vocab(handle)
    data, found = PROMPT.encode(), (ctypes.c_int32 * 64)()
    prompt = list(found[: lib.llama_tokenize(vocabulary, data, len(data), found, 64, True, False)])
    settings = lib.llama_context_default_params()
    settings.n_ctx, settings.n_seq_max = 256 * batch, batch
    settings.n_batch = settings.n_ubatch = settings.n_outputs_max = max(batch, len(prompt))
    settings.n_threads = settings.n_threads_batch = threads
    settings.kv_unified = False
    context = lib.llama_init_from_model(handle, settings)
    memory = lib.llama_get_memory(context)
    chains = []
    for seed in range(batch):
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(TEMPERATURE))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(seed))
        chains.append(chain)
    step = lib.llama_batch_init(max(batch, len(prompt)), 0, 1)

    def decode(tokens: list[tuple[int, int, int, bool]]) -> None:
        step.n_tokens = len(tokens)
        for index, (token, position, sequence, wanted) in enumerate(tokens):
            step.token[index], step.pos[index], step.logits[index] = token, position, wanted
            step.n_seq_id[index], step.seq_id[index][0] = 1, sequence
        if lib.llama_decode(context, step):
            raise RuntimeError("llama_decode failed")

    def work() -> int:
        drawn = []
        lib.llama_memory_clear(memory, True)
        for row in range(batch):
            last = len(prompt) - 1
            decode([(token, place, row, place == last) for place, token in enumerate(prompt)])
            drawn.append(lib.llama_sampler_sample(chains[row], context, last))
        for place in range(TOKENS - 1):
            decode([(token, len(prompt) + place, row, True) for row, token in enumerate(drawn)])
            drawn = [lib.llama_sampler_sample(chain, context, row) for row, chain in enumerate(chains)]
        return TOKENS * batch

    return work


def one(contender: str, batch: int, folder: Path, *, threads: int, seconds: float, clock: Callable[[], float]) -> float:
    """Return tokens a second of one contender, after a first text that is not timed."""
    if contender in OURS:
        work = ours(OURS[contender].format(folder=folder, threads=threads), batch)
    elif PEERS[contender] == "transformers":
        work = transformers_loop(folder, batch, threads)
    else:
        work = llama_cpp_loop(folder, batch, threads)
    work()
    tokens, begun = 0, clock()
    while clock() - begun < seconds:
        tokens += work()
    return tokens / (clock() - begun)


def machine(threads: int) -> dict[str, str | int]:
    model = "unknown"
    if (facts := Path("/proc/cpuinfo")).exists():
        lines = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    packages = ("onnxruntime", "torch", "transformers", "llama-cpp-python", "numpy")
    return {
        "processor": model,
        "cores": os.cpu_count() or 0,
        "threads": threads,
        "load": f"{os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    } | {name: version(name) for name in packages}


def measure(folder: Path, rounds: int, threads: int, seconds: float, cpu: bool) -> list[dict[str, object]]:
    rates: dict[tuple[str, int], list[float]] = {}
    names = [*OURS, *PEERS]
    settings = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    for turn in range(rounds):
        for batch in BATCHES:
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                arguments = ["--one", name, "--batch", str(batch), "--folder", str(folder)]
                arguments += ["--threads", str(threads), "--seconds", str(seconds), *(["--cpu"] if cpu else [])]
                command = [sys.executable, __file__, *arguments]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | settings)
                rates.setdefault((name, batch), []).append(float(done.stdout))
                seen = f"{rates[name, batch][-1]:.0f} tokens/s"
                print(f"round {turn + 1}, batch {batch}, {name}: {seen}", file=sys.stderr, flush=True)
    return [
        {"contender": name, "batch": batch, "median": median(found), "low": min(found), "high": max(found)}
        for (name, batch), found in rates.items()
    ]


def table(rows: list[dict[str, object]], facts: dict[str, str | int], rounds: int) -> str:
    found = {(str(row["contender"]), row["batch"]): row for row in rows}
    heads = [f"tokens/s, median of {rounds} rounds [range]", *(f"batch {batch}" for batch in BATCHES)]
    lines = [heads, ["---"] * len(heads)]
    for name in [*OURS, *PEERS]:
        cells = [found[name, batch] for batch in BATCHES]
        lines.append([name, *(f"{r['median']:.0f} [{r['low']:.0f}, {r['high']:.0f}]" for r in cells)])
    for name, peer in FAIR.items():
        pairs = [(found[name, batch]["median"], found[peer, batch]["median"]) for batch in BATCHES]
        lines.append(
            [f"{name} / {peer}", *(f"{float(str(ours)) / float(str(theirs)):.2f} x" for ours, theirs in pairs)]
        )
    drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return drawn + "\n\n" + "; ".join(f"{key} {value}" for key, value in facts.items()) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/engines"), help="folder for the weights and the tables")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each measurement takes at least")
    parser.add_argument("--cpu", action="store_true", help="count the processor's time, not the clock's")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        clock = time.process_time if options.cpu else time.perf_counter
        rate = one(
            options.one, options.batch, options.folder, threads=options.threads, seconds=options.seconds, clock=clock
        )
        print(rate)
        return
    training = Path(__file__).parents[1] / "training"
    for script, out in (("to_gguf.py", "stories.gguf"), ("to_transformers.py", "transformers")):
        command = [sys.executable, str(training / script), "--model", str(WEIGHTS), "--out", str(options.out / out)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    rows = measure(options.out, options.rounds, options.threads, options.seconds, options.cpu)
    facts = machine(options.threads) | {"clock": "processor's time" if options.cpu else "wall"}
    (options.out / "engines.json").write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n")
    text = table(rows, facts, options.rounds)
    (options.out / "engines.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

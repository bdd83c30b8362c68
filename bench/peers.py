#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure what others need for the work that glim does, on the same files.

    bench/peers.py [--json FILE] [--threads N] [--only NAME...] [--quick] [--list]

The peers are llama.cpp (through llama-cpp-python), PyTorch with transformers in
float32 on the dequantised weights, and Captum. Every measurement is a process of
its own, so that neither memory nor threads carry over; of several runs after a
warm-up the best counts, and all are kept in the JSON. Models are those that
scripts/fetch has fetched. Set up once:

    python3 -m venv bench/.venv
    CMAKE_ARGS=-DGGML_NATIVE=ON bench/.venv/bin/pip install -r bench/requirements.txt
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import time

LIMIT = 900  # seconds for one measurement
MODELS = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma-3-270m-Q4_K_M.gguf",
          "minilm": "all-MiniLM-L6-v2"}

# Our own words; repeated until there are enough tokens.
TEXT = ("The old bridge had been closed since the flood, and the people of the valley went the "
        "long way round by the mill. In the evening the miller's daughter counted the carts that "
        "passed, wrote the number in a blue book, and read it to her father. When the engineers "
        "came at last to measure the river, they found that nobody else had kept any record at "
        "all. So they bought the blue book for the price of a horse, and built the new bridge "
        "where the carts had gone. ")


def cache_dir():
    given = os.environ.get("GLIM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(given or f"{base}/glim").expanduser()


def path_of(model):
    return cache_dir() / MODELS[model]


def best_of(fn, runs, warm=1):
    for _ in range(warm):
        fn()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return {"seconds": min(times), "runs": times}


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---- llama.cpp ----

def llama(model, threads, **options):
    from llama_cpp import Llama
    return Llama(str(path_of(model)), n_threads=threads, n_threads_batch=threads, verbose=False,
                 n_ctx=1024, n_batch=512, n_ubatch=512, **options)


def token_ids(model, n):
    """The first n ids of TEXT, by the file's own vocabulary."""
    from llama_cpp import Llama
    vocabulary = Llama(str(path_of(model)), vocab_only=True, verbose=False)
    ids = vocabulary.tokenize((TEXT * 12).encode(), add_bos=True)
    assert len(ids) >= n
    return ids[:n]


def llama_open(a):
    def once():
        llama(a.model, a.threads).close()
    return best_of(once, a.runs)


def llama_prefill(a):
    peer, ids = llama(a.model, a.threads), token_ids(a.model, a.tokens)

    def once():
        peer.reset()
        peer._ctx.kv_cache_clear()
        peer.eval(ids)
    return rate(best_of(once, a.runs), a.tokens)


def llama_decode(a):
    """a.tokens greedy steps after a short prompt, whatever the tokens are."""
    peer, prompt = llama(a.model, a.threads), token_ids(a.model, 8)

    def once():
        peer.reset()
        peer._ctx.kv_cache_clear()
        peer.eval(prompt)
        start = time.perf_counter()
        for _ in range(a.tokens):
            peer.eval([int(peer.sample(temp=0.0))])
        times.append(time.perf_counter() - start)
    times = []
    for _ in range(a.runs + 1):
        once()
    return rate({"seconds": min(times[1:]), "runs": times[1:]}, a.tokens)


def rate(found, tokens):
    return found | {"tokens_per_second": tokens / found["seconds"]}


# ---- PyTorch ----

def torch_model(a):
    import torch
    import transformers
    torch.set_num_threads(a.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    path = path_of(a.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    for p in model.parameters():
        p.requires_grad_(False)
    ids = torch.tensor([token_ids(a.model, a.tokens)]) if a.tokens else None
    return torch, model, ids


def torch_open(a):
    start = time.perf_counter()
    torch_model(argparse.Namespace(**vars(a) | {"tokens": 0}))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "runs": [seconds], "note": "with imports"}


def torch_forward(a):
    """Like a prefill: logits of the last position only."""
    torch, model, ids = torch_model(a)

    def once():
        with torch.no_grad():
            model(input_ids=ids, use_cache=False, logits_to_keep=1)
    return rate(best_of(once, a.runs), a.tokens)


def torch_gradient(a):
    """Forward, and back from the largest logit of the last position to the embeddings."""
    torch, model, ids = torch_model(a)
    embed = model.get_input_embeddings()

    def once():
        x = embed(ids).detach().requires_grad_()
        logits = model(inputs_embeds=x, use_cache=False, logits_to_keep=1).logits[0, -1]
        logits.max().backward()
        assert x.grad is not None
    return rate(best_of(once, a.runs), a.tokens)


def logit_of(model, target):
    def f(inputs):
        return model(inputs_embeds=inputs, use_cache=False, logits_to_keep=1).logits[:, -1, target]
    return f


def target_of(torch, model, ids):
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
    return int(logits[0, -1].argmax())


def captum_ig(a):
    """LayerIntegratedGradients at the embedding, 50 steps, baseline one repeated token.

    A batch of 50 is what it does when not told otherwise."""
    torch, model, ids = torch_model(a)
    from captum.attr import LayerIntegratedGradients
    target = target_of(torch, model, ids)

    def f(ids):
        return model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1, target]
    method = LayerIntegratedGradients(f, model.get_input_embeddings())
    baseline = torch.full_like(ids, int(ids[0, 1]))
    sizes = {}
    for size in a.batches:
        def once(size=size):
            method.attribute(ids, baselines=baseline, n_steps=50, internal_batch_size=size)
        sizes[size] = best_of(once, 2, warm=0 if sizes else 1)["seconds"]
    size = min(sizes, key=sizes.get)
    found = best_of(lambda: method.attribute(ids, baselines=baseline, n_steps=50,
                                             internal_batch_size=size), a.runs, warm=0)
    return found | {"internal_batch_size": size, "tried": sizes}


def captum_ablation(a):
    """FeatureAblation of every token's embedding, several tokens to a batch."""
    torch, model, ids = torch_model(a)
    from captum.attr import FeatureAblation
    method = FeatureAblation(logit_of(model, target_of(torch, model, ids)))
    x = model.get_input_embeddings()(ids).detach()
    mask = torch.arange(x.shape[1]).reshape(1, -1, 1).expand_as(x)
    sizes = {}

    def run(size):
        with torch.no_grad():
            method.attribute(x, baselines=0, feature_mask=mask, perturbations_per_eval=size)
    for size in a.batches:
        sizes[size] = best_of(lambda size=size: run(size), 2, warm=0 if sizes else 1)["seconds"]
    size = min(sizes, key=sizes.get)
    return best_of(lambda: run(size), a.runs, warm=0) | {"perturbations_per_eval": size,
                                                        "tried": sizes}


def captum_shapley(a):
    """ShapleyValueSampling of every token's embedding by ten orders."""
    torch, model, ids = torch_model(a)
    from captum.attr import ShapleyValueSampling
    method = ShapleyValueSampling(logit_of(model, target_of(torch, model, ids)))
    x = model.get_input_embeddings()(ids).detach()
    mask = torch.arange(x.shape[1]).reshape(1, -1, 1).expand_as(x).contiguous()
    sizes = {}

    def run(size):
        with torch.no_grad():
            method.attribute(x, baselines=0, feature_mask=mask, n_samples=10,
                             perturbations_per_eval=size)
    for size in (1, 4, 16):
        sizes[size] = best_of(lambda size=size: run(size), 2, warm=0 if sizes else 1)["seconds"]
    size = min(sizes, key=sizes.get)
    return {"seconds": sizes[size], "perturbations_per_eval": size, "tried": sizes}


def whole_process(a):
    """From the start of python to a printed gradient explanation of a.tokens tokens."""
    code = f"""
import torch, transformers
torch.set_num_threads({a.threads})
transformers.logging.disable_progress_bar()
m = transformers.AutoModelForCausalLM.from_pretrained({str(cache_dir())!r},
    gguf_file={MODELS[a.model]!r}, dtype=torch.float32).eval()
ids = torch.tensor([{token_ids(a.model, a.tokens)}])
x = m.get_input_embeddings()(ids).detach().requires_grad_()
m(inputs_embeds=x, use_cache=False, logits_to_keep=1).logits[0, -1].max().backward()
print((x * x.grad).sum(-1)[0].tolist())
"""

    def once():
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True,
                       env=child_environment(a.threads))
    found = best_of(once, a.runs)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found | {"peak_mib": usage.ru_maxrss / 1024}


def sentences_of(n):
    """n sentences of 5 to 41 words, taken round and round; as bench_embed.c has them."""
    words = TEXT.split()
    return [" ".join(words[(i * 31 + k) % len(words)] for k in range(5 + i * 7919 % 37))
            for i in range(n)]


def torch_embed(a):
    """Texts in, unit vectors out, as sentence-transformers does it: by length, padded
    batches, the mean of the rows that are no padding. The best of some batch sizes."""
    import torch
    import transformers
    torch.set_num_threads(a.threads)
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path_of(a.model))
    model = transformers.AutoModel.from_pretrained(path_of(a.model), dtype=torch.float32).eval()
    texts = sorted(sentences_of(a.tokens), key=len)

    def run(size):
        with torch.inference_mode():
            for i in range(0, len(texts), size):
                batch = tokenizer(texts[i:i + size], padding=True, return_tensors="pt")
                rows = model(**batch).last_hidden_state
                mask = batch["attention_mask"].unsqueeze(-1).float()
                torch.nn.functional.normalize((rows * mask).sum(1) / mask.sum(1))
    sizes = {}
    for size in (8, 16, 32, 64):
        sizes[size] = best_of(lambda size=size: run(size), 2, warm=0 if sizes else 1)["seconds"]
    size = min(sizes, key=sizes.get)
    return best_of(lambda: run(size), a.runs, warm=0) | {"batch_size": size, "tried": sizes}


# ---- running them ----

WAYS = {"llama-open": llama_open, "llama-prefill": llama_prefill, "llama-decode": llama_decode,
        "torch-open": torch_open, "torch-forward": torch_forward,
        "torch-gradient": torch_gradient, "captum-ig": captum_ig,
        "captum-ablation": captum_ablation, "captum-shapley": captum_shapley,
        "whole-process": whole_process,
        "torch-embed": torch_embed}


def plan(quick):
    """(way, model, tokens, runs)"""
    yield "torch-embed", "minilm", 1000, 5
    for model in ("smollm2", "gemma3"):
        yield "llama-open", model, 0, 5
        yield "llama-prefill", model, 128, 7
        yield "llama-prefill", model, 512, 5
        yield "llama-decode", model, 64, 5
        yield "torch-open", model, 0, 1
        for tokens in (128,) if quick else (128, 512):
            yield "torch-forward", model, tokens, 5
            yield "torch-gradient", model, tokens, 3
        yield "captum-ig", model, 32, 2
        if not quick:
            yield "captum-ig", model, 128, 1
        yield "captum-ablation", model, 32, 3
        yield "captum-shapley", model, 16, 2
        yield "whole-process", model, 32, 1 if quick else 2


def child_environment(threads):
    return os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
                         "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def measure_here(a):
    """In the child: one measurement, one line of JSON."""
    before = peak_mib()
    found = WAYS[a.way](a)
    found.setdefault("peak_mib", peak_mib())
    found["peak_mib_at_start"] = before
    print("RESULT " + json.dumps(found))


def busy_share(seconds=0.5):
    """The share of all cores that was at work."""
    def read():
        fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        numbers = [int(f) for f in fields]
        return sum(numbers), numbers[3] + numbers[4]
    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def wait_until_quiet(patience):
    """PyTorch's threads spin: another busy process makes them ten times as slow."""
    end = time.monotonic() + patience
    while (busy := busy_share()) > 0.1 and time.monotonic() < end:
        time.sleep(1)
    return busy


def measure(way, model, tokens, runs, threads):
    command = [sys.executable, __file__, "--way", way, "--model", model, "--tokens", str(tokens),
               "--runs", str(runs), "--threads", str(threads)]
    entry = {"name": way, "model": model, "tokens": tokens, "threads": threads}
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT,
                             env=child_environment(threads))
    except subprocess.TimeoutExpired:
        return entry | {"error": f"no result within {LIMIT} s"}
    lines = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
    if run.returncode or not lines:
        error = (run.stderr.strip().splitlines() or ["no output"])[-1]
        return entry | {"error": error}
    return entry | json.loads(lines[-1][7:])


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def versions():
    from importlib.metadata import version
    return {p: version(p) for p in ("llama-cpp-python", "torch", "transformers", "captum")}


def show(entry):
    label = f"{entry['name']} {entry['model']} {entry['tokens'] or ''}".strip()
    if "error" in entry:
        print(f"{label:32} failed: {entry['error']}", flush=True)
        return
    speed = f"{entry['tokens_per_second']:9.1f} tok/s" if "tokens_per_second" in entry else ""
    print(f"{label:32} {entry['seconds'] * 1e3:10.1f} ms {speed:16} "
          f"peak {entry['peak_mib']:6.0f} MiB"
          f"{'  (machine was busy)' if entry['busy_before'] > 0.1 else ''}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Measure glim's peers.")
    parser.add_argument("--json", metavar="FILE", help="write all numbers here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="measurements whose name has this")
    parser.add_argument("--patience", type=float, default=60, metavar="SECONDS",
                        help="how long to wait for a quiet machine before each (60)")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--list", action="store_true", help="say what would be measured")
    for hidden in ("--way", "--model"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--tokens", "--runs"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.batches = (1, 4, 10, 25, 50) if (given.tokens or 0) <= 32 else (1, 4, 10)
    if given.way:
        measure_here(given)
        return 0
    entries = []
    for way, model, tokens, runs in plan(given.quick):
        label = f"{way} {model} {tokens or ''}".strip()
        if given.only and not any(part in label for part in given.only):
            continue
        if given.list:
            print(label)
            continue
        if not path_of(model).exists():
            print(f"{label}: not fetched (scripts/fetch {model})", flush=True)
            continue
        busy = wait_until_quiet(given.patience)
        entries.append(measure(way, model, tokens, runs, given.threads) | {"busy_before": busy})
        show(entries[-1])
    if given.json and entries:
        document = {"processor": processor(), "cores": os.cpu_count(), "threads": given.threads,
                    "load": os.getloadavg(), "versions": versions(), "results": entries}
        pathlib.Path(given.json).write_text(json.dumps(document, indent=1) + "\n")
    return 1 if any("error" in e for e in entries) else 0


if __name__ == "__main__":
    sys.exit(main())

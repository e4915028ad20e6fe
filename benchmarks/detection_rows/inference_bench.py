# SPDX-License-Identifier: Apache-2.0
"""What `inference.py` measures with: a model, requests, and the judge's own check of a shard's claims."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.detection_rows import inference_cheats as known
from benchmarks.detection_rows.inference_cheats import Claim
from swarm.jobs.inference_model import Prompt, Responder
from swarm.jobs.inference_prefill import Prefill
from swarm.workloads.dataset import Message, read_dataset
from swarm.workloads.inference.margins import Answered
from swarm.workloads.inference.requests import Request
from swarm.workloads.workload import Zone

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = Message("system", "Be brief.", False)
MODEL = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it: segments, requests a segment, tokens a request."""

    segments: int
    shard: int
    tokens: int

    @property
    def requests(self) -> int:
        return self.segments * self.shard


class Bench:
    """The model, the requests, and honest answers once they are needed."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder, self.size = folder, size
        self.temperature = 1.0
        sampling = {"temperature": 1.0, "max_tokens": size.tokens, "seed": 7}
        self._responder = Responder({"model": "model", "sampling": sampling, "lora": None}, folder, None)
        self.prompts = _prompts(self._responder, size)
        self._kept: dict[str, list[Claim]] = {}

    @property
    def responder(self) -> Responder:
        self._responder.sampler = replace(self._responder.sampler, temperature=self.temperature)
        return self._responder

    def tokens(self, name: str, cheat: known.Cheat) -> list[Claim]:
        """Generated once for every temperature, used by several rows."""
        key = f"{name} {self.temperature}"
        if key not in self._kept:
            self._kept[key] = cheat(self.responder, self.prompts)
            gc.collect()
        return self._kept[key]


def check(bench: Bench, shard: Sequence[Claim]) -> tuple[Zone, dict | None, int]:
    """(zone, figures, bytes of the evidence), by the judge's own code on the shard's published form."""
    from swarm.jobs import inference_check
    from swarm.workloads.inference.workload import InferenceWorkload

    responder = bench.responder
    # A request keeps its index: its noise depends on it.
    first = shard[0].prompt.index // bench.size.shard
    shards = {"size": bench.size.shard, "batch": 1}
    responder.spec = responder.spec | {"requests": len(bench.prompts), "shards": shards}
    with tempfile.TemporaryDirectory(prefix="swarm-claim-") as scratch:
        claim = known.write_claims(responder, shard, Path(scratch) / "claim")
        prompts = iter([claimed.prompt for claimed in shard])
        with contextlib.redirect_stdout(io.StringIO()):  # its progress
            verification, _ = inference_check.check(responder, first, prompts, claim)
        path = Path(scratch) / "verification.json"
        path.write_text(json.dumps(verification))
        zone = InferenceWorkload().assess(None, first, before=None, theirs=claim, ours=path.parent).zone
        return zone, None if verification["problem"] else verification, path.stat().st_size


def measure(bench: Bench, claims: Sequence[Claim]) -> list[Answered]:
    """Each request's own margins and logit errors, for shards of any size."""
    prefill = Prefill(bench.responder)
    return [prefill.measure(c.prompt, np.array(c.tokens), np.array(c.logits)) for c in claims]


def cost(bench: Bench) -> tuple[float, float]:
    """CPU seconds of answering some segments, a shard's requests in one batch, and of checking them."""
    shards = parts(bench.prompts, bench.size.shard)[:4]
    began = time.process_time()
    answered = [known.answers(bench.responder, shard) for shard in shards]
    middle = time.process_time()
    for shard in answered:
        check(bench, shard)
    return middle - began, time.process_time() - middle


def parts(items: Sequence, size: int) -> list:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _prompts(responder: Responder, size: Size) -> list[Prompt]:
    """Questions about this project, and about paragraphs of the standard library's own documentation."""
    found = [conversation[:1] for conversation in read_dataset(ROOT / "data" / "product_chat.train.jsonl")]
    texts = [turns[0].content for turns in found if turns[0].role == "user"][: size.requests // 2]
    texts += _paragraphs(size.requests - len(texts))
    requests = (Request(f"r{n}", (SYSTEM, Message("user", text, False)), size.tokens) for n, text in enumerate(texts))
    return [responder.prompt(index, request) for index, request in enumerate(requests)]


def _paragraphs(count: int) -> list[str]:
    from pydoc_data.topics import topics

    paragraphs = (part.strip() for name in sorted(topics) for part in topics[name].split("\n\n"))
    wanted = [" ".join(part.split()) for part in paragraphs if 40 <= len(part) <= 110]
    step = len(wanted) // count
    return [f"Explain: {text}" for text in wanted[:: max(1, step)][:count]]


def model_folder(scratch: Path, *, tiny: bool = False) -> Path:
    if MODEL.is_dir() and not tiny:
        return MODEL
    from swarm.jobs.fake import write_tiny_model

    return write_tiny_model(scratch / "tiny-random-llama", scale=8)

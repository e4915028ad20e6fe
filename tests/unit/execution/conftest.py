# SPDX-License-Identifier: Apache-2.0
"""A tiny market without a chain: a resolved spec in a fake store, and a program that computes instead of training.

The fake program's output of segment i is a pure function of its input state and i, so re-execution is exact.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.buyer.prepare import prepare
from swarm.execution.inputs import InputCache
from swarm.execution.results import Published, publish
from swarm.execution.segments import Sandbox, execute
from swarm.protocol.types import ZERO_ADDRESS, ZERO_DIGEST, Amount, Comparison, Epoch, Job, JobId, JobStatus, Terms
from swarm.runtime.fake import FakeRunner
from swarm.storage.fake import FakeStore
from swarm.workloads.fields import Spec
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.spec import parse_spec

ROW = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
SEGMENTS = 4


def program(run, emit):
    """Adds a number that depends on the segment to every tensor; the trace is made of the same hash."""
    job = json.loads(run.inputs["job.json"].read_text())
    state = run.inputs["state"]
    for segment in range(job["first_segment"], job["last_segment"]):
        target = run.outputs / "segments" / f"{segment:04d}"
        target.mkdir(parents=True)
        mixed = hashlib.sha256()
        for path in sorted(state.iterdir()):
            tensors = {name: tensor + np.asarray(segment + 1, tensor.dtype) for name, tensor in load_file(path).items()}
            save_file(tensors, target / path.name)
            mixed.update((target / path.name).read_bytes())
        trace = run.outputs / "traces" / f"{segment:04d}.bin"
        trace.parent.mkdir(exist_ok=True)
        trace.write_bytes(struct.pack(">I", segment) + mixed.digest()[:12])
        emit({"event": "segment", "segment": segment})
        state = target


@dataclass
class Market:
    store: FakeStore
    spec: LoraSpec
    spec_cid: bytes
    home: Path

    def sandbox(self, run=program) -> Sandbox:
        return Sandbox(FakeRunner(run), owner="test")

    def execute(self, run=program, first: int = 0, last: int = SEGMENTS):
        inputs = InputCache(self.store, self.home / "cache").fetch(self.spec)
        return execute(
            self.sandbox(run),
            self.spec,
            inputs,
            first=first,
            last=last,
            state=inputs.initial_state,
            workspace=self.home / "seller",
            wall_seconds=60,
        )

    def submitted(self, run=program, **changes) -> Job:
        """A job as the chain would hold it after an honest or a cheating seller submitted."""
        published = publish(self.store, JobId(7), self.execute(run).products, self.home / "staging")
        return job_of(self.spec, self.spec_cid, published, **changes)


def job_of(spec: Spec, spec_cid: bytes, published: Published, *, comparison=Comparison.EXACT, **changes) -> Job:
    """A submitted job as the chain would hold it."""
    facts = {
        "job_id": JobId(7),
        "buyer": ZERO_ADDRESS,
        "terms": Terms(
            spec_cid=spec_cid,
            max_price=Amount(1),
            segments=spec.segments,
            segment_seconds=60,
            run_seconds=600,
            open_seconds=600,
            hardware_class=1,
            comparison=comparison,
        ),
        "terms_hash": ZERO_DIGEST,
        "segments": spec.segments,
        "held": Amount(2),
        "seller": ZERO_ADDRESS,
        "status": JobStatus.UNDER_AUDIT,
        "deadline": 0,
        "audit_bps": 10_000,
        "epoch": Epoch(1),
        "price": Amount(1),
        "collateral": Amount(1),
        "open_until": 0,
        "audited": False,
        "result_cid": published.result_cid,
        "segment_root": published.segment_root,
    }
    return Job(**(facts | changes))


@pytest.fixture
def market(tmp_path) -> Market:
    folder = tmp_path / "buyer"
    (folder / "model").mkdir(parents=True)
    projection = np.zeros((8, 8), np.float32)
    save_file(
        {f"model.layers.0.self_attn.{name}.weight": projection for name in ("q_proj", "v_proj")},
        folder / "model" / "model.safetensors",
    )
    (folder / "model" / "config.json").write_text("{}")
    (folder / "chat.jsonl").write_text(json.dumps(ROW) + "\n")
    spec = parse_spec(
        {
            "version": 1,
            "type": "lora",
            "name": "tiny",
            "base_model": "file:model",
            "datasets": [{"path": "file:chat.jsonl"}],
            "training": {"max_steps": SEGMENTS, "steps_per_segment": 1, "seed": 1, "lora_r": 2},
            "budget": {"max_total": 1},
        }
    )
    store = FakeStore()
    prepared = prepare(spec, store, base=folder, cache=tmp_path / "cache")
    return Market(store, prepared.spec, prepared.spec_cid, tmp_path)

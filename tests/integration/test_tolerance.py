# SPDX-License-Identifier: Apache-2.0
"""The tolerance class through a judge's replay: honest sellers on other kernels pass, cheats do not.

The program is the real one, run inside this process: a judge of several stacks starts dozens of runs.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.buyer.prepare import prepare
from swarm.errors import SpecError, SwarmError
from swarm.execution.inputs import InputCache, read_spec
from swarm.execution.results import publish
from swarm.execution.segments import Sandbox, execute
from swarm.jobs import lora
from swarm.jobs.calibrate import Int8Base
from swarm.jobs.training import Trainer
from swarm.protocol.commitment import TRACE_RECORD
from swarm.protocol.hardware import FOUR_BIT, PRECISIONS
from swarm.protocol.types import MATCH, MISMATCH, Comparison, JobId
from swarm.runtime.fake import FakeRunner
from swarm.runtime.port import RunEnd
from swarm.runtime.process import ProcessRunner
from swarm.storage.cid import digest_of
from swarm.storage.fake import FakeStore
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, TRACE_FILE
from swarm.workloads.lora.level import NEEDED, PASSES, key_of
from swarm.workloads.spec import canonical_json, parse_spec
from swarm.workloads.verification import Verification
from tests.unit.execution.conftest import Market, job_of
from tests.unit.verifier.test_replay import evidence_of
from verifier.memory import Memory
from verifier.replay import Replayer

SEGMENTS = 6


def training(kind=Trainer, **numeric):
    """The LoRA program in this process, with another trainer or another way to compute."""

    def run(job, emit):
        folder = job.outputs.parent / "given"
        folder.mkdir()
        for name, path in job.inputs.items():
            (folder / name).symlink_to(path)
        asked = json.loads(job.inputs["job.json"].read_text())
        # Here every class but fp32 has to be emulated, by the seller and by the judge.
        asked["numeric"] = numeric | asked.get("numeric", {}) | {"emulated": True}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lora, "Trainer", kind)
            patch.setattr(lora, "read_job", lambda: asked)
            patch.setattr(lora, "INPUTS", folder)
            patch.setattr(lora, "OUTPUTS", job.outputs)
            try:
                lora.main()
            except SwarmError:
                return RunEnd.FAILED
        return None

    return run


def bounded(tmp_path, tiny_model, chats, hardware_class="fp32") -> Market:
    """A job of a bounded class; one step a segment."""
    length = {"max_steps": SEGMENTS, "steps_per_segment": 1, "seed": 5, "threads": 1, "micro_batch_size": 2}
    precision = {"precision": PRECISIONS[hardware_class], "lr_scheduler": "constant", "sequence_len": 256}
    precision |= {"adapter": "qlora", "load_in_4bit": True} if hardware_class in FOUR_BIT else {}
    rest = {"type": "lora", "name": "tiny", "budget": {"max_total": 1}, "base_model": f"file:{tiny_model}"}
    rest |= {"datasets": [{"path": f"file:{chats}"}], "training": length | precision}
    store = FakeStore()
    spec = parse_spec(rest | {"hardware_class": hardware_class})
    prepared = prepare(spec, store, base=tmp_path, cache=tmp_path / "cache")
    return Market(store, prepared.spec, prepared.spec_cid, tmp_path)


@pytest.fixture
def market(tmp_path, tiny_model, chats):
    return bounded(tmp_path, tiny_model, chats)


# What our program refuses, it refuses by rule.
JUDGE = FakeRunner(training(), exit_codes={RunEnd.FAILED: 13})


def submitted(market, seller):
    """A job whose seller ran `seller`, a program or a runner."""
    runner = FakeRunner(seller) if callable(seller) else seller
    inputs = InputCache(market.store, market.home / "cache").fetch(market.spec)
    place = {"workspace": market.home / "seller", "wall_seconds": 600, "state": inputs.initial_state}
    done = execute(Sandbox(runner, owner="test"), market.spec, inputs, first=0, last=SEGMENTS, **place)
    published = publish(market.store, JobId(7), done.products, market.home / "staging")
    return job_of(market.spec, market.spec_cid, published, comparison=Comparison.TOLERANCE)


def verdict(market, job, segment, sandbox=None):
    """The word of a judge, and what it says for evidence."""
    replayer = Replayer(market.store, sandbox or Sandbox(JUDGE, owner="test"), market.home / "judge")
    finding = replayer.replay(job, segment, wall_seconds=600)
    return finding.verdict, evidence_of(market, finding)


@pytest.mark.parametrize(
    "seller",
    [training(), training(attention="eager"), training(micro_batch_size=1)],
    ids=["same kernels", "eager attention", "micro-batches of 1"],
)
def test_an_honest_seller_on_other_kernels_passes(market, seller):
    job = submitted(market, seller)
    for segment in (0, 3, SEGMENTS - 1):
        found, said = verdict(market, job, segment)
        assert found == MATCH, said
        assert said["facts"]["zone"] == "accept"


def test_an_honest_seller_without_avx2_passes(market):
    """Real processes: the instruction set is fixed when torch is imported."""

    class Old(ProcessRunner):
        def run(self, run, **options):
            return super().run(replace(run, environment={"SWARM_INSTRUCTION_SET": "none"}), **options)

    job = submitted(market, Old())
    found, said = verdict(market, job, 4, Sandbox(ProcessRunner(), owner="test"))
    assert found == MATCH and said["facts"]["zone"] == "accept"


def altered(change, base=None):
    """What a seller publishes after it changed the honest states: `change(segment folder, segment)`."""

    def run(job, emit):
        (base or training())(job, emit)
        for folder in sorted((job.outputs / "segments").iterdir()):
            change(folder, int(folder.name))

    return run


def on(name, change):
    """Changes every fp32 tensor of one file."""

    def apply(folder, segment):
        tensors = load_file(folder / name)
        save_file({key: change(t) if t.dtype == np.float32 else t for key, t in tensors.items()}, folder / name)

    return altered(apply)


def skipped(folder, segment):
    if segment == 5:
        for name in (ADAPTER_FILE, OPTIMIZER_FILE, TRACE_FILE):
            (folder / name).write_bytes((folder.parent / "0004" / name).read_bytes())


def nudged(folder, segment):
    if segment == 5:
        tensors = load_file(folder / ADAPTER_FILE)
        save_file({name: t * np.float32(1 + 2.4e-6) for name, t in tensors.items()}, folder / ADAPTER_FILE)


def forged_losses(folder, segment):
    step, loss, norm, targets = TRACE_RECORD.unpack((folder / TRACE_FILE).read_bytes())
    (folder / TRACE_FILE).write_bytes(TRACE_RECORD.pack(step, loss / 2, norm, targets))


class Faster(Trainer):
    def rate(self, step):
        return super().rate(step) * 1.1


CHEATS = {
    "noise": on(ADAPTER_FILE, lambda t: np.random.default_rng(1).normal(0, 0.1, t.shape).astype(np.float32)),
    "a number that is none": on(ADAPTER_FILE, lambda t: t * np.float32(np.nan)),
    "doctored moments": on(OPTIMIZER_FILE, lambda t: t * np.float32(1.01)),
    "a skipped step": altered(skipped),
    "forged losses": altered(forged_losses),
    "no losses": altered(lambda folder, segment: (folder / TRACE_FILE).unlink()),
    "learning rate + 10 %": training(Faster),
    "int8 base": training(Int8Base),
    "bf16": training(precision="bf16"),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_is_a_mismatch(market, cheat):
    job = submitted(market, CHEATS[cheat])
    assert verdict(market, job, 5)[0] == MISMATCH


def test_a_jump_that_adam_cannot_make_is_named(market):
    job = submitted(market, on(ADAPTER_FILE, lambda t: t + np.float32(0.01)))
    assert "farther than AdamW can" in verdict(market, job, 0)[1]["facts"]["fault"]


def test_what_a_first_look_cannot_tell_is_looked_at_with_another_stack(market):
    """Weights off by a two-thousandth of the update: both of the judge's stacks see it."""
    found, said = verdict(market, submitted(market, altered(nudged)), 5)
    assert (found, said["facts"]["look"]) == (MISMATCH, "closer"), said
    assert said["facts"]["second_weights"] > 200 * said["facts"]["noise_weights"]


@pytest.mark.parametrize("hardware_class", ["tf32", "bf16"])
def test_coarser_classes_are_measured_in_the_judge_s_own_noise(tmp_path, tiny_model, chats, hardware_class):
    market = bounded(tmp_path, tiny_model, chats, hardware_class)
    found, said = verdict(market, submitted(market, training(attention="eager", micro_batch_size=1)), 4)
    assert found == MATCH and said["facts"]["look"] == "noise", said
    found, said = verdict(market, submitted(market, training(Int8Base)), 4)
    assert found == MISMATCH, said


def test_a_judge_that_knows_a_model_s_noise_needs_one_replay_and_still_notices_another_base(
    tmp_path, tiny_model, chats
):
    market = bounded(tmp_path, tiny_model, chats, "bf16")
    memory, last = Memory(market.home / "judge" / "learned.json"), SEGMENTS - 1
    honest = submitted(market, training(attention="eager", micro_batch_size=1))
    assert verdict(market, honest, last)[1]["facts"]["look"] == "noise"
    (learned,) = memory.recall(key_of(market.spec))
    for _ in range(NEEDED - 1):
        memory.learn(key_of(market.spec), learned)
    found, said = verdict(market, honest, last)
    assert (found, said["facts"]["look"]) == (MATCH, "level"), said
    found, said = verdict(market, submitted(market, training(Int8Base)), last)
    assert found == MISMATCH and said["facts"]["level_ratio_gradient"] > PASSES["gradient"], said


def test_a_spec_with_another_way_of_checking_is_refused_by_seller_and_judge(market):
    for way in ("exact", "delivery"):
        hostile = canonical_json(market.spec.model_copy(update={"verification": Verification(way)}))
        digest = digest_of(market.store.add_bytes(hostile))
        with pytest.raises(SpecError, match="expected 'tolerance'"):
            read_spec(market.store, digest)

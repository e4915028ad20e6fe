# SPDX-License-Identifier: Apache-2.0
"""The trainer: states come back, memory that runs out splits a micro-batch once, numeric classes are the spec's."""

import json

import pytest
from safetensors.torch import save_file

from swarm.errors import JobFailed
from swarm.jobs.fake import write_tiny_model
from swarm.jobs.numeric import Numeric
from swarm.jobs.training import Trainer, numeric_of
from swarm.workloads.lora.initial import write_initial_state
from swarm.workloads.spec import parse_spec

CID = "ipfs://bafkrei" + "a" * 52


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("training")
    write_tiny_model(root / "model")
    turns = [
        {"messages": [{"role": "user", "content": f"{n} + {n}?"}, {"role": "assistant", "content": str(2 * n)}]}
        for n in range(5)
    ]
    (root / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turns))
    training = {"max_steps": 9, "steps_per_segment": 3, "seed": 3, "threads": 1, "micro_batch_size": 2}
    rest = {"type": "lora", "name": "tiny", "budget": {"max_total": 1}, "base_model": CID, "datasets": [{"path": CID}]}
    spec = parse_spec(rest | {"training": training})
    write_initial_state(spec, root / "model", root / "state")
    return root, spec.training.model_dump()


def trainer(place, kind=Trainer, **options) -> Trainer:
    root, training = place
    return kind(training, model=root / "model", data=root / "train.jsonl", state=root / "state", **options)


def adapter(found: Trainer) -> dict:
    return {name: tensor.clone() for name, tensor in found.state()[0].items()}


def same(left: dict, right: dict) -> bool:
    return all((left[name] == right[name]).all() for name in left)


def test_goes_on_from_a_state_it_was_given(place, tmp_path):
    one = trainer(place)
    one.step(0)
    for name, tensors in zip(("adapter_model", "optimizer"), one.state(), strict=True):
        save_file(tensors, tmp_path / f"{name}.safetensors")
    first = one.step(1)
    after = adapter(one)
    one.restore(tmp_path)
    assert one.steps == 1
    assert one.step(1) == first
    assert same(adapter(one), after)


class Crowded(Trainer):
    """Memory that holds one example at a time."""

    def loss_of(self, batch, targets):
        if self.micro_batch_size > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().loss_of(batch, targets)


def test_a_micro_batch_that_does_not_fit_is_split_once(place):
    crowded, honest = trainer(place, Crowded, exact=False), trainer(place, exact=False)
    assert crowded.step(0).loss == pytest.approx(honest.step(0).loss, rel=1e-5)
    assert (crowded.has_split, crowded.micro_batch_size) == (True, 1)


def test_the_exact_class_never_splits(place):
    with pytest.raises(JobFailed, match="the exact class cannot split it"):
        trainer(place, Crowded).step(0)


def test_what_does_not_fit_even_when_split_fails_by_name(place):
    class Full(Trainer):
        def loss_of(self, batch, targets):
            raise MemoryError

    with pytest.raises(JobFailed, match="out of memory with micro_batch_size 1"):
        trainer(place, Full, exact=False).step(0)


def test_memory_that_runs_out_costs_time_before_it_costs_bits(place):
    """Even the exact class may compute a block twice: the numbers are the same."""

    class Tight(Trainer):
        def loss_of(self, batch, targets):
            if not self.has_checkpoints:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
            return super().loss_of(batch, targets)

    tight, honest = trainer(place, Tight), trainer(place)
    assert [tight.step(0), tight.step(1)] == [honest.step(0), honest.step(1)]
    assert same(adapter(tight), adapter(honest))
    assert (tight.has_checkpoints, tight.has_split, honest.has_checkpoints) == (True, False, False)


def test_gradient_checkpointing_computes_blocks_twice_and_changes_no_bit(place):
    from transformers.models.llama.modeling_llama import LlamaMLP

    calls = []
    for wanted in (False, True):
        found = trainer((place[0], place[1] | {"gradient_checkpointing": wanted}))
        count = []
        for module in found.model.modules():
            if isinstance(module, LlamaMLP):
                module.register_forward_pre_hook(lambda *_, count=count: count.append(1))
        found.step(0)
        calls.append((len(count), adapter(found)))
    assert calls[1][0] == 2 * calls[0][0]
    assert same(calls[0][1], calls[1][1])


def test_counts_the_examples_that_are_cut(place):
    short = trainer((place[0], place[1] | {"sequence_len": 105}))
    assert short.step(0).cut == 2
    assert trainer(place).step(0).cut == 0


def test_trains_only_on_what_it_is_to_keep(place):
    assert len(trainer(place, keep=lambda index: index != 2).conversations) == 4


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_class_this_machine_cannot_compute_is_refused(place, precision):
    with pytest.raises(JobFailed, match=f"precision {precision} needs a GPU, this machine has none"):
        trainer(place, numeric=Numeric(precision), exact=False)


def test_emulated_classes_round_more_the_coarser_they_are(place):
    import torch

    exact = trainer(place)
    exact.step(0)
    wanted = torch.cat([tensor.flatten() for tensor in exact.first.values()])
    apart = {}
    for precision in ("tf32", "bf16"):
        rounded = trainer(place, numeric=Numeric(precision, emulated=True), exact=False)
        rounded.step(0)
        found = torch.cat([tensor.flatten() for tensor in rounded.first.values()])
        apart[precision] = float((found - wanted).norm() / wanted.norm())
    assert 1e-5 < apart["tf32"] < 1e-3 < apart["bf16"] < 0.1


def test_other_attention_and_other_splits_give_nearly_the_same(place):
    plain = trainer(place)
    other = trainer(place, numeric=Numeric(attention="eager", micro_batch_size=1), exact=False)
    assert other.step(0).loss == pytest.approx(plain.step(0).loss, rel=1e-5)


def test_a_judge_s_wishes_are_read_from_the_job(place):
    job = {"spec": {"training": {"precision": "fp32"}}}
    assert numeric_of(job) == Numeric()
    assert numeric_of(job | {"numeric": {"attention": "eager"}}) == Numeric(attention="eager")

# SPDX-License-Identifier: Apache-2.0
"""QLoRA: the real 4-bit path, trained by a seller and repeated by a judge, on a processor.

bf16 is emulated here as everywhere without a GPU; what is in 4 bit is real.
"""

import json

import pytest

from swarm.errors import JobFailed
from swarm.jobs import four_bit
from swarm.jobs.calibrate import SingleBase
from swarm.jobs.four_bit import FourBit
from swarm.jobs.model import load_model
from swarm.jobs.numeric import Numeric
from swarm.jobs.training import Trainer
from swarm.protocol.types import MATCH, MISMATCH
from swarm.workloads.verification import Verification
from tests.integration.test_tolerance import bounded, submitted, training, verdict


class WholeBase(Trainer):
    """A seller that leaves the base as it is."""

    def base(self, folder):
        return load_model(folder, attention=self.numeric.attention)


@pytest.fixture
def market(tmp_path, tiny_model, chats):
    return bounded(tmp_path, tiny_model, chats, "nf4-fp32")


def test_the_spec_is_checked_within_bounds_and_says_nothing_twice(market):
    assert market.spec.verification is Verification.TOLERANCE
    assert market.spec.training.adapter == "qlora" and market.spec.training.precision == "fp32"
    assert "load_in_4bit" not in market.spec.model_dump()["training"]


def test_an_honest_seller_passes_and_goes_on_from_any_segment(market):
    job = submitted(market, training(attention="eager", micro_batch_size=1))
    for segment in (0, 4):
        found, said = verdict(market, job, segment)
        assert found == MATCH and said["facts"]["zone"] == "accept", said


@pytest.mark.parametrize("cheat", [WholeBase, SingleBase], ids=["base not in 4 bit", "one quantisation for two"])
def test_another_base_is_a_mismatch(market, cheat):
    job = submitted(market, training(cheat))
    assert verdict(market, job, 4)[0] == MISMATCH


def test_bf16_over_4_bit_is_measured_in_the_judge_s_own_noise(tmp_path, tiny_model, chats):
    market = bounded(tmp_path, tiny_model, chats, "nf4-bf16")
    found, said = verdict(market, submitted(market, training(attention="eager")), 4)
    assert found == MATCH and said["facts"]["look"] == "noise", said
    found, said = verdict(market, submitted(market, training(WholeBase)), 4)
    assert found == MISMATCH, said


def test_linear_layers_are_held_in_4_bit_and_nothing_else(tiny_model):
    model = load_model(tiny_model, four_bit=FourBit("fp32"))
    packed = {name for name, tensor in model.named_parameters() if tensor.dtype.itemsize == 1}
    assert packed and all(".layers." in name for name in packed)
    whole = load_model(tiny_model)
    assert {name for name, _ in whole.named_parameters() if name.endswith("proj.weight")} == packed
    layer = model.get_submodule("model.layers.0.self_attn.q_proj")
    assert layer.weight.quant_state.quant_type == "nf4" and layer.weight.quant_state.nested


def test_a_machine_without_the_library_refuses_in_one_line(market, tiny_model, monkeypatch):
    monkeypatch.setattr(four_bit, "find_spec", lambda name: None)
    given = json.loads(json.dumps(market.spec.model_dump()["training"]))
    with pytest.raises(JobFailed, match="adapter qlora needs bitsandbytes, which is not installed here"):
        base = Trainer.__new__(Trainer)
        base.training, base.numeric = given, Numeric()
        base.base(tiny_model)

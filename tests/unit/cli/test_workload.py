# SPDX-License-Identifier: Apache-2.0
"""`swarm workload`: what is known without running anything, and the rule that makes bounds of rows."""

import json

import pytest
from click.testing import CliRunner

from swarm.cli.main import command
from swarm.execution.certify import KINDS, Certifier, certificate, row_of
from swarm.protocol.hardware import CLASSES

EMULATED = {"emulated": True}


def invoke(*arguments):
    return CliRunner().invoke(command, ["workload", *arguments])


def test_lists_types_and_certificates():
    done = invoke("list", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    assert {"lora", "container"} <= {row["name"] for row in rows if row["what"] == "type"}
    assert {row["precision"] for row in rows if row["name"] == "process"} == CLASSES.keys() - {"cpu-fp32"}


def test_prints_a_schema():
    done = invoke("schema", "lora")
    assert "training" in json.loads(done.output)["properties"]


def test_refuses_an_unknown_type():
    assert "there is no job type 'lore'" in str(invoke("schema", "lore").exception)


def row(way, values, kind="honest", precision="fp32", segments=50):
    facts = {"model": "m", "precision": precision, "way": way, "device": "d", "emulated": False}
    return row_of(facts | {"kind": kind, "segments": segments}, dict.fromkeys(KINDS, values))


def test_bounds_follow_from_the_farthest_honest_way_and_the_weakest_cheat():
    rows = [row("near", [1e-7, 2e-7]), row("far", [1e-6, 2e-6]), row("int8", [0.02, 0.5], kind="cheat")]
    bound = certificate(rows, ["process"])["classes"]["fp32"]["bounds"]["weights"]
    assert (bound["accept"], bound["reject"]) == (pytest.approx(1e-5), pytest.approx(0.01))


def test_a_cheat_near_the_noise_does_not_pull_the_bound_into_it():
    rows = [row("far", [1e-3]), row("int8", [2e-3], kind="cheat")]
    assert certificate(rows, [])["classes"]["fp32"]["bounds"]["weights"]["reject"] == pytest.approx(0.05)


def test_the_quantile_stands_for_the_largest_where_there_are_enough():
    values = [1e-6] * 1999 + [1.0]
    rows = [row("many", values, segments=2000), row("int8", [2.0], kind="cheat")]
    assert certificate(rows, [])["classes"]["fp32"]["bounds"]["weights"]["accept"] < 1e-2


def test_coarser_classes_are_never_accepted_at_first_sight():
    rows = [row("far", [1e-3], precision="bf16"), row("int8", [2e-3], kind="cheat", precision="bf16")]
    assert certificate(rows, [])["classes"]["bf16"]["bounds"]["weights"]["accept"] == 0


def test_bounds_in_4_bit_are_never_narrower_than_those_of_the_same_arithmetic():
    rows = [row("far", [1e-3]), row("int8", [0.5], kind="cheat")]
    rows += [row("near", [1e-6], precision="nf4-fp32"), row("single", [0.2], kind="cheat", precision="nf4-fp32")]
    found = certificate(rows, [])["classes"]
    assert found["nf4-fp32"]["bounds"]["weights"]["accept"] == found["fp32"]["bounds"]["weights"]["accept"]
    assert found["nf4-fp32"]["honest_samples"] == 100 and not found["nf4-fp32"]["emulated"]


def test_rows_measured_elsewhere_are_merged_into_what_is_measured_here(tmp_path, monkeypatch):
    """A GPU's rows take the place of nothing: they add to the honest noise, and the class is emulated in part still."""
    here = [row("here", [1e-6]), row("int8", [0.02], kind="cheat"), row("soft", [1e-3], precision="bf16") | EMULATED]
    here += [row("int8", [0.5], kind="cheat", precision="bf16") | EMULATED]
    elsewhere = {"measured": [row("there", [4e-6]), row("H100", [2e-2], precision="bf16") | {"device": "H100"}]}
    (tmp_path / "gpu.json").write_text(json.dumps(elsewhere, sort_keys=True))
    asked = []
    monkeypatch.setattr(Certifier, "measured", lambda self, golden: asked.extend(golden) or here)
    target = tmp_path / "out.json"
    done = invoke("certify", "process", "--merge", str(tmp_path / "gpu.json"), "--four-bit", "--out", str(target))
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text())
    assert found["measured"] == here + elsewhere["measured"] and found["engines"] == ["process"]
    assert found["classes"]["fp32"]["bounds"]["weights"]["accept"] == pytest.approx(2e-5)
    assert found["classes"]["bf16"]["bounds"]["weights"]["reject"] == pytest.approx(1.0)
    assert found["classes"]["bf16"]["emulated"] and found["classes"]["bf16"]["honest_samples"] == 100
    assert [(golden.model, golden.four_bit) for golden in asked] == [(None, True)]


def test_refuses_to_merge_what_holds_no_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(Certifier, "measured", lambda self, golden: [])
    (tmp_path / "gpu.json").write_text('{"rows": []}')
    done = invoke("certify", "process", "--merge", str(tmp_path / "gpu.json"))
    assert "gpu.json: expected a certificate" in str(done.exception)

# SPDX-License-Identifier: Apache-2.0
"""The doctor without a network: it says what is wrong and what to do, and a report holds no secret."""

import json
import tarfile

import pytest
from click.testing import CliRunner

from swarm.cli import checks, doctor
from swarm.cli.redaction import redact
from swarm.errors import TransientError

KEY = "ab" * 32


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command with every check replaced: real ones are tried in the integration tests."""
    monkeypatch.setenv("SWARM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SWARM_RPC_URL", f"https://user:word@rpc.example.org/v2/{KEY}?key=1")

    def runner(*arguments, **looks):
        fake = tuple((name, "more", "to see", look) for name, look in looks.items())
        monkeypatch.setattr(checks, "_CHECKS", fake)
        return CliRunner().invoke(doctor.command, arguments)

    return runner


def good(context):
    return checks.Status.PASS, "fine", ""


def failing(context):
    raise TransientError("nobody answers", hint="start it")


def broken(context):
    return 1 / 0


def test_a_failed_check_exits_14_and_says_what_to_do(run):
    done = run(good=good, bad=failing)
    assert done.exit_code == 14
    assert "FAIL bad" in done.output and "nobody answers" in done.output and "start it" in done.output
    assert "1 pass · 0 warn · 1 fail" in done.output


def test_a_check_that_falls_ill_is_a_failed_check(run):
    done = run("--json", bad=broken)
    record = json.loads(done.output)["checks"][0]
    assert done.exit_code == 14 and record["status"] == "fail" and "ZeroDivisionError" in record["actual"]
    assert record["remedy"]


def test_a_warning_is_no_failure_and_json_has_stable_names(run):
    done = run("--json", good=good, so_so=lambda context: (checks.Status.WARN, "little", "get more"))
    content = json.loads(done.output)
    assert done.exit_code == 0 and content["counts"] == {"pass": 1, "warn": 1, "fail": 0}
    assert set(content["checks"][0]) == {"id", "status", "actual", "required", "purpose", "remedy"}


def test_a_report_is_not_written_over_a_file(run, tmp_path):
    (tmp_path / "report.tar.gz").write_text("mine")
    done = run("--bundle", str(tmp_path / "report.tar.gz"), good=good)
    assert done.exception.exit_code == 2 and (tmp_path / "report.tar.gz").read_text() == "mine"


def test_a_report_holds_no_secret(run, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "worker.log").write_text(f'{{"event": "odd", "key": "0x{KEY}"}}\n')
    assert run("--bundle", str(tmp_path / "report.tar.gz"), good=good).exit_code == 0
    with tarfile.open(tmp_path / "report.tar.gz") as archive:
        texts = {entry.name: archive.extractfile(entry).read().decode() for entry in archive}
    assert set(texts) == {
        f"swarm-report/{name}" for name in ("doctor.json", "settings.json", "status.json", "worker.log")
    }
    whole = "".join(texts.values())
    assert "rpc.example.org" in whole
    for secret in (KEY, "word@", "v2", "key=1"):
        assert secret not in whole


def test_redaction_keeps_what_is_needed_to_help():
    cid = "ipfs://bafybei" + "a" * 52
    text = f"job 7 at 0x{'1a' * 20} names {cid}, chain at http://127.0.0.1:8545"
    assert redact(text) == text.replace("8545", "8545/…")


def test_every_check_has_a_name_of_its_own_and_says_what_it_is_for():
    names = [name for name, *_ in checks._CHECKS]
    assert len(set(names)) == len(names) >= 15
    assert all(required and purpose for _, required, purpose, _ in checks._CHECKS)

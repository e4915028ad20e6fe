# SPDX-License-Identifier: Apache-2.0
"""The commands without a chain: refusals are one line with the right exit code, help has examples and is light."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from swarm.cli import main as swarm_main
from verifier import cli as verifier_cli


@pytest.fixture
def run(tmp_path):
    """Runs a command as the shell would; returns exit code, stdout, stderr."""

    def runner(program: str, *arguments: str, environment: dict | None = None) -> tuple[int, str, str]:
        module = {"swarm": "swarm.cli.main", "verifier": "verifier.cli"}[program]
        homes = {"HOME": str(tmp_path), "SWARM_HOME": str(tmp_path / "home")}
        clean = homes | {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        result = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=clean | (environment or {}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return result.returncode, result.stdout, result.stderr

    return runner


CONTRACTS = ("token", "vault", "beacon", "bench", "ballots", "court", "reputation", "escrow")


def one_line(text: str) -> bool:
    return len(text.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["job", "show", "nonsense"], 3, "is not a job"),
        (["job", "show", "7"], 3, "no network file"),
        (["wallet", "show"], 3, "no network file"),
        (["wallet", "create", "../evil"], 2, "is not an account name"),
        (["worker", "start"], 3, "no network file"),
        (["lora", "-m", "m", "-d", "missing.jsonl", "--max-spend", "1"], 3, "does not exist"),
        (["infer", "-m", "m", "-i", "missing.jsonl", "--max-spend", "1"], 3, "does not exist"),
        (["infer", "-m", "m", "-i", "/dev/null", "--max-spend", "-1"], 4, "budget.max_total: found"),
        (["job", "pull", "nonsense"], 3, "is not a job"),
        (["job", "post", "missing.yaml"], 3, "no such spec file"),
        (["stake", "deposit", "1"], 3, "no network file"),
        (["worker", "start", "--floor", "much"], 2, "is not an amount"),
        (["worker", "start", "--types", "mining"], 2, "is not a type of job"),
        (["worker", "start", "--images", "latest"], 2, "is not an image digest"),
        (["worker", "start", "--max-job", "long"], 2, "is not a duration"),
        (["worker", "start", "--memory-gib", "0"], 2, "memory_gib is '0'"),
        (["worker", "pause"], 3, "no worker runs"),
        (["worker", "hand-back"], 3, "no worker runs"),
        (["worker", "logs"], 3, "no log"),
    ],
)
def test_refuses_in_one_line(run, arguments, code, words):
    returned, out, err = run("swarm", *arguments)
    assert (returned, out) == (code, "")
    assert words in err and one_line(err)


def test_status_and_why_answer_where_nothing_ever_ran(run):
    code, out, _ = run("swarm", "worker", "status", "--json")
    assert code == 0 and json.loads(out)["state"] == "stopped" and json.loads(out)["known"] == "nothing yet"
    code, out, _ = run("swarm", "worker", "why", "--json")
    assert code == 0 and json.loads(out)[0]["reason"] == "no worker runs"


def test_refuses_an_account_without_a_passphrase(run):
    code, _, err = run("swarm", "wallet", "create", "main")
    assert code == 5 and "passphrase" in err and one_line(err)


def test_refuses_an_empty_and_a_missing_passphrase_file(run, tmp_path):
    (tmp_path / "empty").write_text("")
    code, _, err = run("swarm", "wallet", "create", "main", "--passphrase-file", str(tmp_path / "empty"))
    assert code == 5 and "empty" in err
    code, _, err = run("swarm", "wallet", "create", "main", "--passphrase-file", str(tmp_path / "none"))
    assert code == 5 and "cannot read" in err and one_line(err)


def test_refuses_to_overwrite_an_account(run, tmp_path):
    (tmp_path / "words").write_text("correct horse")
    options = ("--passphrase-file", str(tmp_path / "words"))
    code, out, _ = run("swarm", "wallet", "create", "main", "--json", *options)
    assert code == 0 and json.loads(out)["address"].startswith("0x")
    code, _, err = run("swarm", "wallet", "create", "main", *options)
    assert code == 5 and "exists already" in err


def test_refuses_an_unknown_key_in_a_config_file(run, tmp_path):
    (tmp_path / "swarm.toml").write_text('acount = "main"\n')
    code, _, err = run("swarm", "config", "show")
    assert code == 2 and "acount" in err and one_line(err)


def test_refuses_an_rpc_that_is_down(run, tmp_path):
    network = {"chain_id": 31337, "rpc_url": "http://127.0.0.1:9"}
    contracts = {name: "0x" + "11" * 20 for name in CONTRACTS}
    (tmp_path / "network.json").write_text(json.dumps(network | contracts))
    code, _, err = run("swarm", "job", "list", "--network", str(tmp_path / "network.json"))
    assert code == 8 and "does not answer" in err and one_line(err)


def test_refuses_a_network_without_an_rpc_address(run, tmp_path):
    contracts = {name: "0x" + "11" * 20 for name in CONTRACTS}
    (tmp_path / "network.json").write_text(json.dumps({"chain_id": 10} | contracts))
    code, _, err = run("swarm", "job", "list", "--network", str(tmp_path / "network.json"))
    assert code == 2 and "--rpc-url" in err and one_line(err)


def test_refuses_a_network_file_that_is_none(run, tmp_path):
    (tmp_path / "network.json").write_text("[]")
    code, _, err = run("swarm", "job", "list", "--network", str(tmp_path / "network.json"))
    assert code == 2 and one_line(err)


def test_refuses_strangers_jobs_in_a_process(run, tmp_path):
    """`worker start` against anything but a devnet needs a container engine, and names the fix."""
    network = {"chain_id": 10, "rpc_url": "http://127.0.0.1:9"}
    contracts = {name: "0x" + "11" * 20 for name in CONTRACTS}
    (tmp_path / "network.json").write_text(json.dumps(network | contracts))
    options = ("--network", str(tmp_path / "network.json"), "--sandbox", "process")
    for program, command in [("swarm", ["worker", "start"]), ("verifier", ["run"])]:
        code, _, err = run(program, *command, *options)
        assert code == 2 and "Docker engine" in err and one_line(err)


def test_the_flag_wins_over_environment_and_file(run, tmp_path):
    (tmp_path / "swarm.toml").write_text('account = "from-file"\n')
    rows = {}
    for name, arguments, environment in [
        ("file", [], {}),
        ("environment", [], {"SWARM_ACCOUNT": "from-environment"}),
        ("flag", ["--account", "from-flag"], {"SWARM_ACCOUNT": "from-environment"}),
    ]:
        _, out, _ = run("swarm", "config", "show", "--origin", "--json", *arguments, environment=environment)
        rows[name] = next(row for row in json.loads(out) if row["setting"] == "account")
    assert {name: row["value"] for name, row in rows.items()} == {name: f"from-{name}" for name in rows}
    assert rows["flag"]["origin"] == "flag --account" and "SWARM_ACCOUNT" in rows["environment"]["origin"]


def commands(group: click.Group, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        below = commands(child, (*path, name)) if isinstance(child, click.Group) else [((*path, name), child)]
        found += below
    return found


ALL = commands(swarm_main.command, ("swarm",)) + commands(verifier_cli.command, ("verifier",))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_help_has_an_example(path, command):
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "Example" in result.output and " ".join(path[:2]) in result.output


def test_help_imports_nothing_heavy():
    code = "import sys\nfrom swarm.cli.main import command\ntry:\n command(['--help'])\nexcept SystemExit: pass\n"
    code += "heavy = {'web3', 'torch', 'pydantic', 'requests', 'numpy', 'docker'}\n"
    code += "sys.exit(len(heavy & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

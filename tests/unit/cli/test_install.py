# SPDX-License-Identifier: Apache-2.0
"""Units for machines nobody looks at: written without a question, the same twice, as little power as they need."""

import configparser
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarm.cli.units import MARK, unit
from swarm.cli.worker import command

OPS = Path(__file__).resolve().parents[3] / "ops" / "systemd"


@pytest.fixture
def install(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(command, ["install", "--system", "--root", str(tmp_path), "--json", *arguments])

    return run


def test_does_not_write_over_a_unit_of_somebody_else(install, tmp_path):
    path = tmp_path / "etc/systemd/system/swarm-worker.service"
    path.parent.mkdir(parents=True)
    path.write_text("[Unit]\n")
    done = install()
    assert done.exception.exit_code == 2 and path.read_text() == "[Unit]\n"


def test_writes_once_and_says_so(install, tmp_path):
    assert '"state": "written"' in install().output
    assert '"state": "unchanged"' in install().output
    both = install("--judge").output
    assert both.count('"state"') == 2 and '"state": "unchanged"' in both
    path = tmp_path / "etc/systemd/system/swarm-worker.service"
    path.write_text(f"{MARK}\nold")
    assert '"state": "written"' in install().output


def test_prints_and_writes_nothing(install, tmp_path):
    assert "ExecStart=" in install("--print").output and not list(tmp_path.iterdir())


@pytest.mark.parametrize("role", ["worker", "verifier"])
def test_a_service_has_no_power_it_does_not_need(role):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(unit(role, user=False, python="/opt/swarm/bin/python").text)
    service = parser["Service"]
    assert service["User"] == "swarm" and service["CapabilityBoundingSet"] == ""
    for name in ("NoNewPrivileges", "PrivateTmp", "RestrictSUIDSGID", "ProtectKernelModules", "RestrictNamespaces"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict" and service["UMask"] == "0077"
    # Time to end the sandbox and keep what was done; and the passphrase is in no argument and no variable.
    assert int(service["TimeoutStopSec"]) >= 60 and service["KillMode"] == "mixed"
    assert service["LoadCredential"].startswith("passphrase:")


def test_a_users_unit_leaves_its_home_writable():
    text = unit("worker", user=True, python="/home/sally/venv/bin/python").text
    assert "ProtectSystem" not in text and "User=" not in text and "WantedBy=default.target" in text
    assert "ProtectHome=read-only" in unit("worker", user=False, python="/home/sally/venv/bin/python").text


@pytest.mark.parametrize("role", ["worker", "verifier"])
def test_the_committed_units_are_what_the_command_writes(role):
    committed = (OPS / f"swarm-{role}.service").read_text()
    assert committed == unit(role, user=False, python="/opt/swarm/bin/python").text

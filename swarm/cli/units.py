# SPDX-License-Identifier: Apache-2.0
"""systemd units of the daemons: as little of the machine as they need, and time to keep what they did when they end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

MARK = "# Written by `swarm worker install`; a change here is overwritten: use a drop-in (systemctl edit)."
STATE, SETTINGS = "/var/lib/swarm", "/etc/swarm"
_USER_STATE, _USER_SETTINGS = "%h/.local/state/swarm", "%h/.config/swarm"
_FOR_SYSTEMS = ("Protect", "PrivateTmp", "CapabilityBoundingSet", "AmbientCapabilities")
ROLES = {
    "worker": ("sells this machine's time", "swarm.cli.main worker start"),
    "verifier": ("judges other people's work", "verifier.cli run"),
}

_UNIT = """\
{mark}
[Unit]
Description=ComputeSwarm {role}: {about}
Wants=network-online.target docker.service
After=network-online.target docker.service
# A wrong setting is not healed by starting again.
StartLimitIntervalSec=10min
StartLimitBurst=10

[Service]
Type=exec
ExecStart={python} -m {module} --log-format json
Environment=SWARM_HOME={home} SWARM_CONFIG={settings}/config.toml SWARM_NETWORK={settings}/network.json
LoadCredential=passphrase:{settings}/passphrase
Environment=SWARM_PASSPHRASE_FILE=%d/passphrase
Restart=on-failure
RestartSec=10
# Usage, not found, account, funds, verification: a person must look.
RestartPreventExitStatus=2 3 5 6 13
# Time to end the sandbox and to write down whole segments; then the next start goes on from them.
KillMode=mixed
TimeoutStopSec=180
{account}
# What it may do: reach the chain and the store, talk to the engine, write its home.
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy={target}
"""
# Membership of the docker group is as good as root: the account is for this daemon alone.
_ACCOUNT = """\
User=swarm
Group=swarm
SupplementaryGroups=docker
StateDirectory=swarm
StateDirectoryMode=0700
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """`path` is where systemd looks for it."""

    path: Path
    text: str

    def write(self) -> str:
        """Returns "written" or "unchanged". Raises FileExistsError for a file that is not ours."""
        before = self.path.read_text() if self.path.exists() else None
        if before == self.text:
            return "unchanged"
        if before is not None and not before.startswith(MARK):
            raise FileExistsError(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}.part")
        fresh.write_text(self.text)
        fresh.chmod(0o644)
        fresh.replace(self.path)
        return "written"


def unit(role: str, *, user: bool, python: str = sys.executable, root: Path = Path("/")) -> Unit:
    """The unit of a role, of the system or of this user; `root` is where the system's files lie."""
    about, module = ROLES[role]
    if user:
        folder, home, settings, target = Path.home() / ".config/systemd/user", _USER_STATE, _USER_SETTINGS, "default"
    else:
        folder, home, settings, target = root / "etc/systemd/system", STATE, SETTINGS, "multi-user"
    text = _UNIT.format(
        mark=MARK,
        role=role,
        about=about,
        python=python,
        module=module,
        home=home,
        settings=settings,
        account="" if user else _ACCOUNT,
        # An interpreter in somebody's home must stay readable.
        protect_home="read-only" if python.startswith(("/home/", "/root/")) else "yes",
        target=f"{target}.target",
    )
    if user:
        # Its manager may not hide or seal the machine's files; our own home must stay writable.
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(_FOR_SYSTEMS))
    return Unit(folder / f"swarm-{role}.service", text)

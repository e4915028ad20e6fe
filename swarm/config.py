# SPDX-License-Identifier: Apache-2.0
"""Settings: flag > environment (`SWARM_…`) > ./swarm.toml > the user's config > default, with the origin of each."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import UsageError

# key → (environment variables in order, default)
KEYS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "home": (("SWARM_HOME",), None),
    "network": (("SWARM_NETWORK",), None),
    "rpc_url": (("SWARM_RPC_URL", "ETH_RPC_URL"), None),
    "max_fee_gwei": (("SWARM_MAX_FEE_GWEI",), "500"),
    "keystore": (("SWARM_KEYSTORE", "ETH_KEYSTORE"), None),
    "account": (("SWARM_ACCOUNT",), "main"),
    "passphrase_file": (("SWARM_PASSPHRASE_FILE",), None),
    "store": (("SWARM_STORE",), "embedded"),
    "kubo_api": (("SWARM_KUBO_API",), "/ip4/127.0.0.1/tcp/5001"),
    "gateways": (("SWARM_GATEWAYS",), None),
    "push_to": (("SWARM_PUSH_TO",), None),
    "push_token_file": (("SWARM_PUSH_TOKEN_FILE",), None),
    "pin_service": (("SWARM_PIN_SERVICE",), None),
    "pin_token_file": (("SWARM_PIN_TOKEN_FILE",), None),
    "engine": (("SWARM_ENGINE",), None),
    "log_format": (("SWARM_LOG_FORMAT",), "human"),
    # what a seller is willing to do
    "floor": (("SWARM_FLOOR",), None),
    "types": (("SWARM_TYPES",), None),
    "classes": (("SWARM_CLASSES",), None),
    "images": (("SWARM_IMAGES",), "any"),
    "max_job": (("SWARM_MAX_JOB",), "72h"),
    "hours": (("SWARM_HOURS",), None),
    # what a daemon may use of this machine
    "memory_gib": (("SWARM_MEMORY_GIB",), "12"),
    "cpus": (("SWARM_CPUS",), "2"),
    "gpu": (("SWARM_GPU",), "auto"),
    "disk_gib": (("SWARM_DISK_GIB",), None),
    "cache_gib": (("SWARM_CACHE_GIB",), None),
    "cost_per_hour": (("SWARM_COST_PER_HOUR",), None),
    "collect_above": (("SWARM_COLLECT_ABOVE",), "5"),
    "metrics_port": (("SWARM_METRICS_PORT",), None),
}


@dataclass(frozen=True, slots=True)
class Setting:
    value: str | None
    origin: str


class Config:
    """The settings of one command. `flags` are the options given on its line, None where they were not."""

    def __init__(self, flags: Mapping[str, str | None] | None = None, *, environ: Mapping | None = None) -> None:
        self._flags = flags or {}
        self._environ = os.environ if environ is None else environ
        self._files = [(path, _read(path)) for path in (Path("swarm.toml"), self._user_file()) if path.is_file()]

    def setting(self, key: str) -> Setting:
        names, default = KEYS[key]
        if self._flags.get(key) is not None:
            return Setting(str(self._flags[key]), f"flag --{key.replace('_', '-')}")
        for name in names:
            if self._environ.get(name):
                return Setting(self._environ[name], f"environment {name}")
        for path, values in self._files:
            if key in values:
                return Setting(_text(values[key]), str(path))
        return Setting(default, "default")

    def get(self, key: str) -> str | None:
        return self.setting(key).value

    def names(self, key: str) -> tuple[str, ...]:
        """A setting as a list: separated by commas, empty where it is not set."""
        return tuple(each.strip() for each in (self.get(key) or "").split(",") if each.strip())

    def secret(self, key: str) -> str | None:
        """The first line of the file a setting names; None where it is not set. Raises UsageError naming its origin."""
        setting = self.setting(key)
        return read_secret(setting.value, f"{key} ({setting.origin})") if setting.value else None

    def with_flags(self, flags: Mapping[str, object | None]) -> Config:
        """The same settings with more options of the command line."""
        given = {key: str(value) for key, value in flags.items() if value is not None}
        return Config({**self._flags, **given}, environ=self._environ)

    def number(self, key: str, *, least: float = 0) -> float | None:
        """A setting as a number above `least`; None where it is not set. Raises UsageError naming its origin."""
        setting = self.setting(key)
        if setting.value is None:
            return None
        try:
            value = float(setting.value)
            if not least < value < float("inf"):
                raise ValueError
        except ValueError as error:
            message = f"{key} is {setting.value!r} ({setting.origin})"
            raise UsageError(message, hint=f"a number above {least:g}") from error
        return value

    @property
    def home(self) -> Path:
        """Where this role keeps its state: journal, content, caches."""
        named = self.get("home")
        if named:
            return Path(named)
        from platformdirs import user_state_path

        return user_state_path("swarm")

    @property
    def keystore(self) -> Path:
        named = self.get("keystore")
        return Path(named) if named else self.home / "keystore"

    @property
    def network(self) -> Path:
        named = self.get("network")
        return Path(named) if named else self.devnet_directory / "network.json"

    @property
    def devnet_directory(self) -> Path:
        from platformdirs import user_state_path

        return user_state_path("swarm") / "devnet"

    def _user_file(self) -> Path:
        if self._environ.get("SWARM_CONFIG"):
            return Path(self._environ["SWARM_CONFIG"])
        base = self._environ.get("XDG_CONFIG_HOME") or str(Path(self._environ.get("HOME", "/")) / ".config")
        return Path(base) / "swarm" / "config.toml"


def read_secret(path: str, named_by: str) -> str:
    """The first line of a file. Raises UsageError saying what named it."""
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"cannot read {path}, named by {named_by}", hint=reason) from error
    if not lines or not lines[0].strip():
        raise UsageError(f"{path}, named by {named_by}, is empty", hint="one line: the token")
    return lines[0].strip()


def _text(value: object) -> str:
    """A setting's value as an environment variable would hold it: a list with commas."""
    return ",".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _read(path: Path) -> dict:
    try:
        values = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="fix the file or move it away") from error
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise UsageError(f"{path} has the unknown key {unknown[0]!r}", hint=f"keys are {', '.join(KEYS)}")
    return values

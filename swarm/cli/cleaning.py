# SPDX-License-Identifier: Apache-2.0
"""A spec whose data is used without the lines that are wrong or come twice: a cleaned copy beside each file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swarm.cli.data import look_through
from swarm.cli.requests import usable
from swarm.errors import NotFound, UsageError

if TYPE_CHECKING:
    from swarm.cli.common import Context
    from swarm.workloads.fields import Spec


def cleaned(context: Context, spec: Spec, base: Path, *, skip_invalid: bool, dedupe: bool) -> Spec:
    """The spec with its local data cleaned; content that lies in the store already stays what it is.

    Raises UsageError for a type of job whose data nobody here can read, SpecError where nothing is left.
    """
    if spec.type == "lora":
        changes = {
            name: tuple(_cleaned(context, each, base, skip_invalid, dedupe) for each in getattr(spec, name))
            for name in ("datasets", "test_datasets")
        }
        return spec.model_copy(update=changes)
    if spec.type == "inference" and not dedupe:
        if not spec.input.startswith("file:"):
            return spec
        from swarm.workloads.inference.workload import allowed

        used = usable(context, _path(spec.input, base), allowed(spec), skip_invalid=True)
        return spec.model_copy(update={"input": f"file:{used.resolve()}"})
    flag = "--dedupe" if dedupe else "--skip-invalid"
    raise UsageError(f"{flag} is not for jobs of type {spec.type}", hint="only their own program reads their data")


def _cleaned(context: Context, dataset, base: Path, skip_invalid: bool, dedupe: bool):
    if not dataset.path.startswith("file:"):
        return dataset
    path = _path(dataset.path, base)
    used, _ = look_through(context, path, dataset.format, skip_invalid=skip_invalid, dedupe=dedupe)
    return dataset.model_copy(update={"path": f"file:{used.resolve()}"})


def _path(uri: str, base: Path) -> Path:
    path = base / uri.removeprefix("file:")
    if not path.is_file():
        raise NotFound(f"{path} does not exist", hint="paths are meant from the spec's folder")
    return path

# SPDX-License-Identifier: Apache-2.0
"""The recipe of the job image."""

from __future__ import annotations

import io
import re
import tarfile

import pytest

from swarm.errors import TransientError, UsageError
from swarm.runtime import base_image, images

FOLDER = images.ROOT / "images" / "lora"


def _pins(text: str) -> dict[str, str]:
    lines = [line.lower().replace("_", "-") for line in text.splitlines() if "==" in line]
    return dict(line.split("==") for line in lines)


def test_refuses_to_build_outside_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "ROOT", tmp_path)
    with pytest.raises(UsageError, match="checkout"):
        images._recipe()


def test_a_failed_step_names_its_last_line():
    events = [{"stream": "Step 1/9\n"}, {"stream": "no matching distribution\n"}, {"error": "returned 1"}]
    with pytest.raises(TransientError, match="no matching distribution"):
        images._follow(iter(events), lambda line: None)


def test_no_base_image_is_said_with_what_to_do(monkeypatch):
    monkeypatch.setattr(base_image.engines, "find_image", lambda client, name: None)
    monkeypatch.setattr(base_image, "_pull", lambda client, name, say: None)
    monkeypatch.setattr(base_image.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match=r"no base image can be had.*debootstrap"):
        base_image.find_base(None, None, lambda line: None)


def test_the_image_holds_the_job_code_and_nothing_else_of_the_project():
    parts = {name.split("/")[1] for name in images._recipe() if name.startswith("swarm/")}
    assert parts == set(images.CODE)


def test_a_change_of_code_changes_the_digest(tmp_path):
    recipe = dict(images._recipe())
    before = images._digest(recipe, "sha256:base")
    changed = tmp_path / "lora.py"
    changed.write_text("changed")
    assert images._digest(recipe | {"swarm/jobs/lora.py": changed}, "sha256:base") != before
    assert images._digest(recipe, "sha256:other") != before
    assert images._digest(images._recipe(), "sha256:base") == before


def test_the_context_is_the_same_whenever_it_is_written():
    recipe = {name: path for name, path in images._recipe().items() if not name.endswith(".whl")}
    first, second = io.BytesIO(), io.BytesIO()
    images._write_context(first, recipe)
    images._write_context(second, recipe)
    assert first.getvalue() == second.getvalue()
    with tarfile.open(fileobj=first) as archive:
        assert {"Dockerfile", "build/ca.crt", "build/wheels", "swarm/jobs/lora.py"} <= set(archive.getnames())


def test_local_wheels_of_our_requirements_are_taken(monkeypatch, tmp_path):
    for name in ("torch-2.13.0+cpu-cp311-none.whl", "torch-2.12.0-cp311-none.whl", "evil-1.0-none.whl"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path} https://example.invalid/wheels")
    found = [wheel.name for wheel in images._local_wheels(FOLDER / "requirements.txt")]
    assert found == ["torch-2.13.0+cpu-cp311-none.whl"]


def test_the_image_has_the_versions_that_the_worker_has():
    """A job must give the same bytes in a container and in a process."""
    image = _pins((FOLDER / "constraints.txt").read_text())
    worker = _pins((images.ROOT / "requirements" / "constraints.txt").read_text())
    assert image == {name: worker[name] for name in image}
    assert set(_pins((FOLDER / "requirements.txt").read_text()).items()) <= set(image.items())


def test_the_image_runs_as_the_user_that_outputs_are_handed_to():
    from swarm.runtime.docker import JOB_UID

    assert re.search(rf"^USER {JOB_UID}:{JOB_UID}$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)

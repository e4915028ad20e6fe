# SPDX-License-Identifier: Apache-2.0
"""The job image holds torch, transformers, peft, safetensors and numpy, and a part of our own modules."""

import subprocess
import sys

import pytest

ABSENT = ("pydantic", "ruamel", "click", "web3", "requests", "docker")


@pytest.mark.parametrize("program", ["inference", "inference_check"])
def test_a_program_imports_nothing_that_its_image_lacks(program):
    code = "import sys; sys.modules.update(dict.fromkeys({!r})); import swarm.jobs.{}"
    finished = subprocess.run(
        [sys.executable, "-c", code.format(ABSENT, program)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr

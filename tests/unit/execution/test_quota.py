# SPDX-License-Identifier: Apache-2.0
"""The cache of fetched inputs: the least recently used entry goes first, never one in use."""

import os

import pytest

from swarm.execution.quota import Quota, cids_in, size_of
from swarm.seller.gas import GAS_PER_JOB, GAS_TO_FINISH, Runway

OLD, MIDDLE, NEW = (f"bafybei{letter * 52}" for letter in "abc")


@pytest.fixture
def home(tmp_path):
    for age, cid in enumerate((NEW, MIDDLE, OLD)):
        (tmp_path / "cache" / cid).mkdir(parents=True)
        (tmp_path / "cache" / cid / "weights").write_bytes(b"x" * 100)
        os.utime(tmp_path / "cache" / cid, (1_000 - age, 1_000 - age))
    return tmp_path


def left(home):
    return {path.name for path in (home / "cache").iterdir()}


def test_removes_nothing_in_use_even_where_the_limit_is_broken(home):
    assert Quota(home, cache_bytes=0).trim({OLD, MIDDLE, NEW}) == 0
    assert left(home) == {OLD, MIDDLE, NEW}


def test_removes_nothing_without_a_limit_or_below_it(home):
    assert Quota(home).trim(()) == Quota(home, cache_bytes=300).trim(()) == 0
    assert Quota(home).has_room()


def test_removes_the_least_recently_used_first(home):
    assert Quota(home, cache_bytes=250).trim(()) == 100
    assert left(home) == {MIDDLE, NEW}


def test_what_is_used_again_stays(home):
    quota = Quota(home, cache_bytes=200)
    quota.used({OLD})
    quota.trim(())
    assert left(home) == {OLD, NEW}


def test_the_disk_limit_counts_the_whole_home(home):
    (home / "work").mkdir()
    (home / "work" / "output").write_bytes(b"x" * 1000)
    quota = Quota(home, disk_bytes=1_150)
    assert not quota.has_room()
    quota.trim({NEW})
    assert left(home) == {NEW} and quota.has_room()
    assert not Quota(home, disk_bytes=1_000).has_room()


def test_what_is_no_entry_is_not_touched(home):
    (home / "cache" / "being-fetched.part").write_bytes(b"x" * 1000)
    Quota(home, cache_bytes=0).trim(())
    assert left(home) == {"being-fetched.part"}


def test_finds_every_cid_of_a_spec_and_does_not_follow_links(home):
    assert cids_in(f'{{"model":"ipfs://{OLD}","data":["ipfs://{NEW}"]}}'.encode()) == {OLD, NEW}
    (home / "link").symlink_to(home / "cache")
    assert size_of(home / "cache") == 300 and size_of(home / "none") == 0


def test_no_job_is_taken_that_could_not_be_submitted_any_more():
    """Each unfinished job has its submission set aside before another one is taken."""
    enough = Runway(GAS_PER_JOB * 7, 7)
    assert enough.carries(0) and enough.jobs == 1
    assert not enough.carries(1)
    assert Runway((GAS_PER_JOB + GAS_TO_FINISH) * 7, 7).carries(1)
    assert not Runway(0, 1).carries(0)

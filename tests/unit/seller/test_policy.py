# SPDX-License-Identifier: Apache-2.0
"""What a seller is willing to do, as it is written in flags and files."""

from datetime import datetime

import pytest

from swarm.errors import UsageError
from swarm.seller.policy import Policy, parse_hours, parse_images, parse_types

MONDAY = datetime(2026, 11, 23)
DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    "text",
    [
        "late",
        "8-22",
        "25:00-26:00",
        "08:60-09:00",
        "08:00-08:00",
        "moo 08:00-09:00",
        "mon-x 08:00-09:00",
        "24:00-08:00",
    ],
)
def test_refuses_hours_that_are_none(text):
    with pytest.raises(UsageError):
        parse_hours(text)


@pytest.mark.parametrize("text", ["latest", "computeswarm/lora:1", "sha256:12", DIGEST + ",any"])
def test_refuses_an_image_that_is_no_digest(text):
    with pytest.raises(UsageError, match="digest"):
        parse_images(text)


def test_refuses_a_type_nobody_knows():
    with pytest.raises(UsageError, match="'mining' is not a type"):
        parse_types("lora, mining", ["lora"])


@pytest.mark.parametrize(
    ("text", "day", "hour", "is_time"),
    [
        ("22:00-08:00", 0, 23, True),
        ("22:00-08:00", 0, 7, True),
        ("22:00-08:00", 0, 8, False),
        ("08:00-22:00", 0, 8, True),
        ("08:00-22:00", 0, 22, False),
        ("fri 22:00-08:00", 5, 7, True),  # began on Friday
        ("fri 22:00-08:00", 4, 7, False),
        ("sat-mon 00:00-24:00", 0, 12, True),  # over the end of the week
        ("sat-mon 00:00-24:00", 1, 12, False),
        ("08:00-09:00, 12:00-13:00", 2, 12, True),
    ],
)
def test_hours_hold_in_local_time_and_go_past_midnight(text, day, hour, is_time):
    moment = MONDAY.replace(day=MONDAY.day + day, hour=hour)
    assert Policy(hours=parse_hours(text)).is_time(moment) is is_time


def test_without_hours_it_is_always_time_and_any_means_any():
    assert Policy().is_time(MONDAY)
    assert parse_images("any") is None
    assert parse_images(f"{DIGEST}, {DIGEST}") == {DIGEST}
    assert parse_types("lora", ["lora", "sweep"]) == {"lora"}


def test_an_image_is_known_by_its_digest_wherever_it_comes_from():
    policy = Policy(images=parse_images(f"example.org/me/eval@{DIGEST}"))
    assert policy.wants(DIGEST) and policy.wants(f"other@{DIGEST}")
    assert not policy.wants("process") and not policy.wants("sha256:" + "0" * 64)
    assert Policy().wants("process")

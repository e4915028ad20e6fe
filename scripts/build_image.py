#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the image that jobs run in, unless the engine holds it already, and prints its digest."""

from __future__ import annotations

import argparse
import json
import sys
import time

from swarm.errors import SwarmError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", metavar="IMAGE", help="base image with Python 3.11; default: whatever can be had")
    parser.add_argument("--json", action="store_true", help="print digest, size and seconds as JSON")
    options = parser.parse_args()
    from swarm.runtime.images import provide_image

    start = time.monotonic()
    try:
        image = provide_image(base=options.base, say=lambda line: print(line, file=sys.stderr, flush=True))
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    seconds = round(time.monotonic() - start, 1)
    facts = {"digest": image.digest, "built": image.was_built, "bytes": image.bytes, "seconds": seconds}
    print(json.dumps(facts) if options.json else image.digest)


if __name__ == "__main__":
    main()

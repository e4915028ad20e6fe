#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs and starts a Docker engine where none answers (Debian or Ubuntu, as root); does nothing where one does.
set -euo pipefail

answers() { docker info >/dev/null 2>&1; }

if answers; then exit 0; fi
if [ "$(id -u)" != 0 ]; then
  echo "no Docker engine answers, and only root can install one: sudo $0" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
missing=()
command -v dockerd >/dev/null || missing+=(docker.io)
# The process sandbox and, where no image registry is reachable, the base image.
command -v bwrap >/dev/null || missing+=(bubblewrap)
command -v debootstrap >/dev/null || missing+=(debootstrap)
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends iptables "${missing[@]}" >/dev/null
fi

if ! pgrep -x dockerd >/dev/null; then
  log=$(mktemp /tmp/dockerd.XXXXXX.log)
  nohup dockerd >"$log" 2>&1 </dev/null &
fi
for _ in $(seq 120); do
  if answers; then exit 0; fi
  sleep 0.5
done
echo "the Docker engine does not answer after a minute" >&2
[ -z "${log:-}" ] || tail -5 "$log" >&2
exit 1

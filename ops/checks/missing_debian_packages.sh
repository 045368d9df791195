#!/bin/sh
# Prints, on one line, the Debian packages that `make test` needs and this machine lacks.
set -eu

packages=""
need() {
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}

need kcat kcat           # reads the outcome topics as a foreign client would
need promtool prometheus # checks /metrics
need openssl openssl      # makes the certificates of the TLS tests

echo $packages

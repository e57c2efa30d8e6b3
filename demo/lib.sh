# shellcheck shell=bash disable=SC2154
#
# demo/lib.sh
#	  The steps of demo.sh: what each does, the live screen, chaos, cleaning up.
#	  Sourced by demo.sh after ci/lib.sh; its variables (work, build, broker,
#	  server, topic, speed, chaos, keep, flights) are demo.sh's.
#
# Whatever must be stopped leaves a mark under $work at the moment it is there
# (a .pid file, kafka/, pg/, the topic in demo.state), so cleanup() needs no
# variable of the run and ends a run that was killed just as well.
#
# Copyright (c) 2026, the stream_ext contributors

tty_out=
[ ! -t 1 ] || tty_out=yes
screen= stage_pid=

# stage LABEL HINT COMMAND...: one line that counts the seconds.  On failure the
# end of the log and the hint, and the demo is over.
stage()
{
	local label=$1 hint=$2 log start rc=0
	shift 2
	log=$(mktemp)
	start=$(se_now)
	printf '%-58s ' "$label"
	"$@" >"$log" 2>&1 </dev/null &
	stage_pid=$!
	while [ -n "$tty_out" ] && kill -0 "$stage_pid" 2>/dev/null; do
		printf '\r%-58s %s' "$label" "$(se_since "$start")"
		sleep 0.1
	done
	wait "$stage_pid" || rc=$?
	stage_pid=
	[ -z "$tty_out" ] || printf '\r%-58s ' "$label"
	if [ "$rc" -eq 0 ]; then
		printf 'ok  %s \n' "$(se_since "$start")"
		rm -f "$log"
		return
	fi
	printf 'FAILED  %s\n' "$(se_since "$start")"
	tail -n 40 "$log" | sed 's/^/    | /'
	rm -f "$log"
	say "what to do: $hint"
	exit 1
}

# ---- build and start -------------------------------------------------------

# The sources are copied, so that a build for another server, or by another
# user, is not disturbed.  What did not change is not built again.
copy_sources()
{
	local parts=(Makefile stream_ext.control src sql test/tools) list=$work/list
	local built=(-name '*.o' -o -name '*.bc' -o -name '*.so')
	mkdir -p "$build/tree"
	find "${parts[@]}" -type f ! \( "${built[@]}" \) | sort >"$list"
	tar -c -T "$list" | tar -x -C "$build/tree"
	(cd "$build/tree" && find . -type f ! \( "${built[@]}" \) -printf '%P\n') |
		sort | comm -13 "$list" - | (cd "$build/tree" && xargs -r rm)
}

build_all()
{
	local bin
	bin=$(private_pg_bindir "$build/root")
	cmp -s "$(pg_system_bindir)/postgres" "$bin/postgres" ||
		private_pg_root "$build/root"
	copy_sources
	make -s -C "$build/tree" -j"$(nproc)" with_llvm=no \
		PG_CONFIG="$bin/pg_config" all
	make -s -C "$build/tree" with_llvm=no PG_CONFIG="$bin/pg_config" install
	make -s -C demo BUILD="$build/bin"
	[ "$broker" = embedded ] ||
		make -s -C "$build/tree/test/tools" OUT="$build/bin/kafkatool"
}

start_postgres()
{
	local PG_BIN
	PG_BIN=$(private_pg_bindir "$build/root")
	pg_start "$work/pg" "shared_preload_libraries = 'stream_ext'" \
		"log_line_prefix = '%m [%p] %b '"
}

# sql ARGUMENT...: one psql, nothing but the result
sql()
{
	psql -XAtq -v ON_ERROR_STOP=1 "$@"
}

# launch NAME COMMAND...: as the unprivileged user, its process id in NAME.pid
launch()
{
	local name=$1
	shift
	# shellcheck disable=SC2016
	as_user sh -c 'echo $$ >"$0" && exec "$@"' "$work/$name.pid" "$@"
}

# remember NAME VALUE: for later steps and for cleanup()
remember()
{
	printf '%s=%q\n' "$1" "$2" >>"$work/demo.state"
}

# The topic's name is remembered before it is made, so that cleanup() knows it.
start_broker()
{
	local address follow=(-p $$)
	case $broker in
		embedded)
			topic=flights
			[ -z "$keep" ] || follow=()
			mkfifo "$work/address"
			launch broker "$build/bin/broker" "${follow[@]}" -t "$topic:6" \
				>"$work/address" 2>"$work/broker.log" &
			read -r -t 20 address <"$work/address" ||
				{ cat "$work/broker.log"; return 1; }
			;;
		kafka)
			topic=flights
			address=$(ci/kafka start "$work/kafka")
			;;
		own)
			topic=flights_demo_$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
			address=$server
			;;
	esac
	remember address "$address"
	remember topic "$topic"
	[ "$broker" = embedded ] ||
		"$build/bin/kafkatool" -b "$address" create "$topic" 6
	echo "$broker broker at $address, topic $topic"
}

broker_hint()
{
	case $broker in
		embedded) echo "it needs a free port on 127.0.0.1" ;;
		kafka) echo "it needs Java, Maven Central at the first run, 1 GB of memory" ;;
		own) echo "check that $server is reachable and lets you create a topic" ;;
	esac
}

connect()
{
	sql -c "CREATE ROLE demo LOGIN" -c "CREATE DATABASE demo OWNER demo"
	sql -d demo -v brokers="$address" -f demo/1-connect.sql
	sql -d demo -U demo -c "SELECT * FROM stream.test_connection('kafka')"
}

create_stream()
{
	sql -v topic="$topic" -f demo/2-stream.sql
}

# ---- replay and watch ------------------------------------------------------

start_replay()
{
	zcat "$flights" |
		launch replay "$build/bin/replay" --brokers "$address" \
			--topic "$topic" --speed "$speed" --status "$work/replay.status" \
			--follow "host=$PGHOST port=$PGPORT user=demo dbname=demo" \
			--stream flights >"$work/replay.log" 2>&1 &
	replay_pid=$!
	read_status
}

# The replayer's name=value lines, with defaults for before the first.
read_status()
{
	state=starting new_york=- sent=0 total=0 behind=0 held=0
	# shellcheck disable=SC1091
	[ ! -f "$work/replay.status" ] || . "$work/replay.status"
}

# look [ROWS]: demo/3-look.sql, in so many lines.  psql's borders are drawn as
# lines where the terminal can show them, and left out when it is low.
look()
{
	local rows=${1:-99} style=ascii border=2 fixed=26 room hours
	[[ ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} != *[Uu][Tt][Ff]* ]] || style=unicode
	if [ "$rows" -lt 36 ]; then
		border=1 fixed=18
	fi
	room=$((rows > fixed + 2 ? rows - fixed : 2))
	hours=$(((room + 1) / 2 < 9 ? (room + 1) / 2 : 9))
	psql -Xq -P pager=off -P border="$border" -P linestyle="$style" \
		-v hours="$hours" \
		-v airlines="$((room - hours < 8 ? room - hours : 8))" \
		-f demo/3-look.sql 2>&1
}

progress_bar()
{
	local width=40 full=0 bar
	[ "$total" -eq 0 ] || full=$((sent * width / total))
	printf -v bar '%*s' "$full" ''
	printf '[%-*s]' "$width" "${bar// /#}"
}

pace()
{
	case $speed in
		max) echo "as fast as they are read" ;;
		1) echo "a day per second" ;;
		*) echo "$speed days per second" ;;
	esac
}

# frame ROWS
frame()
{
	local rows=$(($1 - 3)) picture
	printf 'stream_ext: the flights that left New York in 2013, %s\n' "$(pace)"
	printf '%s  %s %d of %d sent, %s\n' \
		"$new_york" "$(progress_bar)" "$sent" "$total" "$state"
	if [ -s "$work/chaos.log" ]; then
		tail -n 1 "$work/chaos.log"
		rows=$((rows - 1))
	fi
	echo
	if ! picture=$(look "$rows") && ! pg_isready -q; then
		picture="PostgreSQL is not there at the moment; it is starting again"
	fi
	printf '%s\n' "$picture"
}

# Redraw in place: every line cleared to its end, then what is left below.
draw()
{
	local picture rows
	rows=$(stty size </dev/tty 2>/dev/null | cut -d' ' -f1)
	[ "${rows:-0}" -gt 0 ] || rows=24
	picture=$(frame "$((rows - 1))" | head -n "$((rows - 1))")
	if [ -z "$screen" ]; then
		screen=on
		printf '\e[?1049h\e[?25l\e[?7l'
	fi
	printf '\e[H%s\e[K\n\e[J' "${picture//$'\n'/$'\e[K\n'}"
}

leave_screen()
{
	[ -z "$screen" ] || printf '\e[?7h\e[?25h\e[?1049l'
	screen=
}

# Without a terminal: a line now and then.
report()
{
	local row
	row=$(sql -F ', ' -c "
		SELECT 'read ' || rows_total, 'lag ' || coalesce(lag::text, '?'),
		       'watermark ' ||
		       coalesce(to_char(watermark, 'YYYY-MM-DD HH24:MI'), '-'),
		       'error ' || left(error, 150)
		FROM stream.status" 2>/dev/null) ||
		row="PostgreSQL is not there at the moment"
	printf '  New York %s: sent %d of %d, %s; %s\n' \
		"$new_york" "$sent" "$total" "$state" "${row%, }"
}

watch_replay()
{
	local next_report=0
	while kill -0 "$replay_pid" 2>/dev/null; do
		read_status
		[ -z "$chaos" ] || some_chaos
		if [ -n "$tty_out" ]; then
			draw
		elif [ "$total" -gt 0 ] && [ "$SECONDS" -ge "$next_report" ]; then
			report
			next_report=$((SECONDS + 5))
		fi
		sleep 0.3
	done
	[ -z "$chaos" ] || all_chaos
	leave_screen
}

finish_replay()
{
	if ! wait "$replay_pid"; then
		say "the replayer failed:"
		sed 's/^/    | /' "$work/replay.log" | tail -n 20
		say "what to do: see whether the broker at $address still runs"
		exit 1
	fi
	read_status
	say "  $(tail -n 1 "$work/replay.log")"
}

# ---- chaos -----------------------------------------------------------------

chaos_done=0

chaos_note()
{
	printf 'chaos at %s: %s\n' "$new_york" "$*" >>"$work/chaos.log"
}

# SIGTERM to the stream's worker: it ends, the launcher starts another.
kill_worker()
{
	local pid
	pid=$(sql -c "SELECT worker_pid FROM stream.partitions
		WHERE worker_pid IS NOT NULL LIMIT 1" 2>/dev/null) &&
		[ -n "$pid" ] || return 1
	kill -TERM "$pid"
	chaos_note "SIGTERM to the worker, process $pid"
}

# SIGKILL to a backend that only sleeps: PostgreSQL ends every process,
# recovers from its log and starts again.
kill_backend()
{
	local pid
	PGAPPNAME=victim sql -c "SELECT pg_sleep(60)" >/dev/null 2>&1 &
	wait_until 10 sql_true "SELECT count(*) = 1 FROM pg_stat_activity
		WHERE application_name = 'victim'"
	pid=$(sql -c "SELECT pid FROM pg_stat_activity
		WHERE application_name = 'victim'")
	kill -KILL "$pid"
	chaos_note "SIGKILL to a backend, process $pid; PostgreSQL recovers"
}

sql_true()
{
	[ "$(sql -c "$1")" = t ]
}

# After a third of the flights the worker, after two thirds a backend.
some_chaos()
{
	[ "$total" -gt 0 ] || return 0
	if [ "$chaos_done" -eq 0 ] && [ $((sent * 3)) -ge "$total" ]; then
		! kill_worker || chaos_done=1
	elif [ "$chaos_done" -eq 1 ] && [ $((sent * 3)) -ge $((total * 2)) ]; then
		! kill_backend || chaos_done=2
	fi
}

# What the replay was too fast for is done after it.
all_chaos()
{
	read_status
	wait_until 30 kill_worker_once ||
		fail "there was no worker to kill"
	[ "$chaos_done" -eq 2 ] || kill_backend
	chaos_done=2
}

kill_worker_once()
{
	[ "$chaos_done" -gt 0 ] || kill_worker
}

show_chaos()
{
	sed 's/^/  /' "$work/chaos.log"
}

# ---- the end ---------------------------------------------------------------

log_hint()
{
	echo "look at the messages above and at server.log in the directory below"
}

# What the stream, the replayer and the server have to say; then failure.
explain_stream()
{
	psql -Xq -x -c "TABLE stream.status"
	tail -n 5 "$work/replay.log"
	tail -n 10 "$work/pg/server.log" | cut -c 1-200
	return 1
}

first_result()
{
	wait_until 60 sql_true "SELECT EXISTS (TABLE departures_per_hour)" ||
		explain_stream
}

wait_for_stream()
{
	wait_until 60 sql -c "SELECT 1" || explain_stream
	sql_true "SELECT stream.wait('flights', '120 s')" || explain_stream
}

show_views()
{
	say
	look
}

check()
{
	zcat "$flights" | psql -Xq -v ON_ERROR_STOP=1 -f demo/4-check.sql
}

verdict()
{
	local rows late
	psql -Xq -P footer=off -c "TABLE batch.comparison"
	rows=$(sql -c "SELECT sum(only_in_view + only_in_batch)
		FROM batch.comparison")
	late=$(sql -c "SELECT count(*) FROM departures_per_hour_late_rows")
	say "late rows: $late"
	say "difference: $rows rows"
	[ "$rows" = 0 ] || exit 1
}

say_kept()
{
	local sudo= bin
	[ "$(id -u)" -ne 0 ] || [ -z "${SUDO_USER:-}" ] || sudo="sudo "
	bin=$(private_pg_bindir "$build/root")
	say
	say "all of it keeps running:"
	say "  look   ${sudo}env PGTZ=$PGTZ $bin/psql -h $work/pg -p $PGPORT -U demo demo"
	say "  stop   ${sudo}$SE_TOP/demo.sh --stop $work"
}

stop_process()
{
	local pid
	[ -f "$work/$1.pid" ] || return 0
	pid=$(cat "$work/$1.pid")
	if [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == *"/bin/$1 "* ]]; then
		kill "$pid"
		wait_until 10 process_gone "$pid" || kill -KILL "$pid"
	fi 2>/dev/null
}

process_gone()
{
	! kill -0 "$1" 2>/dev/null
}

# End whatever runs and remove all; each part may be missing.  $work stays when
# PostgreSQL could not be stopped, so that it can be tried again.
cleanup()
{
	local PG_BIN
	# shellcheck disable=SC1091
	. "$work/demo.state"
	stop_process replay
	if [ -d "$work/pg/data" ]; then
		PG_BIN=$(private_pg_bindir "$build/root")
		pg_stop "$work/pg" immediate || return 1
	fi
	[ "$broker" != own ] || [ -z "${topic:-}" ] ||
		timeout 20 "$build/bin/kafkatool" -b "$server" delete-topic "$topic" \
			2>/dev/null ||
		say "if the topic $topic is on $server, delete it by hand"
	stop_process broker
	[ ! -d "$work/kafka" ] || ci/kafka destroy "$work/kafka"
	rm -rf "$work"
}

# However the script ends, once there is something to clean up.
finish()
{
	local rc=$?
	trap - EXIT INT TERM HUP
	leave_screen
	[ -z "$stage_pid" ] || kill "$stage_pid" 2>/dev/null || :
	[ -n "$work" ] || exit "$rc"
	if [ -n "$keep" ] && [ -n "$reached_end" ]; then
		say_kept
		exit "$rc"
	fi
	if [ "$rc" -ne 0 ]; then
		mkdir -p "$build/last-failure"
		cp "$work"/*.log "$work"/pg/*.log "$build/last-failure/" \
			2>/dev/null || :
		say "logs are kept in $build/last-failure"
	fi
	cleanup || say "PostgreSQL in $work could not be stopped"
	exit "$rc"
}

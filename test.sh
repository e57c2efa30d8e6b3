#!/usr/bin/env bash
#
# test.sh [--quick] [PART...]
#	  Installs what is missing, builds, and runs the tests.
#
#	  Parts, in this order; without names, all:
#	    packages    Debian packages (through sudo when not root)
#	    checks      include order, format, file sizes
#	    build       the extension and kafkatool, every warning an error
#	    sql         pg_regress: sql/ against expected/
#	    isolation   test/isolation/: sessions against each other
#	    docs        every SQL example of README.md and docs/ (test/docs/run)
#	    property    views of random queries against the same SQL over a table
#	                (test/property/run)
#	    fuzz        the decoders under AddressSanitizer (make fuzz-check)
#	    kafka       test/t/*.pl: workers, brokers and crashes on Apache Kafka; a
#	                name such as 010_end_to_end runs only that file
#	    matrix      build, sql and isolation on the other Debian (ci/matrix)
#	  --quick leaves out the matrix and shortens property, fuzz and the kill test.
#
# What tests choose at random follows from $STREAM_EXT_SEED, by default a number that
# changes with the code: a run can be repeated, and other code meets other cases.
#
# Nothing on the system changes but its packages: the extension goes into a private
# copy of the PostgreSQL installation, and every server lives in the build
# directory (build/, or one in /var/tmp when the account that servers run as cannot
# enter the tree).  PostgreSQL refuses to run as root, so root's run uses the
# account postgres ($STREAM_EXT_USER); the system's own clusters are not touched.
# Logs stay in the build directory's log/.  The last line is "N passed, N failed",
# and the status is not 0 when anything failed or nothing ran.
#
# Copyright (c) 2026, the stream_ext contributors
set -euo pipefail
. "$(dirname "$0")/ci/lib.sh"
cd "$SE_TOP"

ALL="packages checks build sql isolation docs property fuzz kafka matrix"
export STREAM_EXT_SEED=${STREAM_EXT_SEED:-$(cat src/*/*.c | cksum | cut -d' ' -f1)}
passed=0
failed=0
quick=
parts=
tap=()
for arg; do
	case $arg in
		--quick) quick=1 ;;
		-h | --help) sed -n '3,20s/^#\t\{0,1\}//p' "$0"; exit ;;
		[0-9][0-9][0-9]_*)
			tap+=("test/t/${arg%.pl}.pl")
			case " $parts " in *" kafka "*) ;; *) parts="$parts kafka" ;; esac
			;;
		*)
			case " $ALL " in
				*" $arg "*) parts="$parts $arg" ;;
				*) fail "there is no part \"$arg\"" "parts: $ALL" ;;
			esac
			;;
	esac
done
if [ -z "$parts" ]; then
	parts=$ALL
	[ -z "$quick" ] || parts=${parts% matrix}
fi

wants()
{
	case " $parts " in *" $1 "*) ;; *) return 1 ;; esac
}

# count KIND LABEL COMMAND...: a step whose log says how many tests passed.
#   one      the command is the test
#   regress  pg_regress, of 15 ("test x ... ok") and of 16 and later ("ok 1 - x")
#   tap      prove -v
#   total    the last line is "N passed, N failed"
count()
{
	local kind=$1 label=$2 rc=0 good=0 bad=0 line
	shift 2
	STEP_LOG=$build/log/$(tr -cs 'a-z0-9\n' - <<<"$label").log
	step "$label" "$@" || rc=$?
	case $kind in
		one)
			good=$((rc == 0))
			;;
		regress)
			good=$(grep -cE '^(test .* \.\.\. ok|ok [0-9]+)' "$STEP_LOG" || :)
			bad=$(grep -cE '^(test .*FAILED|not ok [0-9]+)' "$STEP_LOG" || :)
			;;
		tap)
			good=$(grep -cE '^ok [0-9]+' "$STEP_LOG" || :)
			bad=$(grep -cE '^not ok [0-9]+' "$STEP_LOG" || :)
			;;
		total)
			line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$STEP_LOG" | tail -n 1)
			good=${line%% passed*}
			bad=${line#*, }
			bad=${bad%% failed*}
			;;
	esac
	# what failed without saying which test still counts
	[ "$rc" -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
	[ "$rc" -ne 0 ] || [ "${good:-0}" -gt 0 ] || bad=$((bad + 1))
	passed=$((passed + ${good:-0}))
	failed=$((failed + ${bad:-0}))
	unset STEP_LOG
	return 0
}

# Servers and brokers that an interrupted run left in the build directory.
sweep()
{
	local file pid
	find "$build" -name postmaster.pid -size +0 2>/dev/null | while read -r file; do
		pid=$(head -n 1 "$file")
		[ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" != "${file%/*}" ] ||
			kill -QUIT "$pid" || :
	done
	find "$build" -name brokers 2>/dev/null | while read -r file; do
		ci/kafka destroy "${file%/*}" || :
	done
}

finish()
{
	local rc=$?
	trap - EXIT
	[ -z "${build:-}" ] || sweep
	[ "$rc" -eq 0 ] || failed=$((failed + 1))
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || exit 1
}

# ---- what the parts run ----------------------------------------------------

build_all()
{
	make -s -j"$(nproc)" with_llvm=no PG_CONFIG="$(pg_system_bindir)/pg_config" &&
		make -s -C test/tools
}

# The private PostgreSQL with the extension in it, and a copy of what the tests
# read that the servers' account may enter.
install_privately()
{
	local bin item
	bin=$(private_pg_root "$build/pg") &&
		make -s install with_llvm=no PG_CONFIG="$bin/pg_config" &&
		rm -rf "$build/tree" && mkdir -p "$build/tree" || return
	for item in sql expected test ci; do
		[ ! -e "$item" ] || cp -a "$item" "$build/tree/" || return
	done
	[ "$(id -u)" -ne 0 ] || chown -R "$(run_user):" "$build/tree"
}

pgxs_tests()
{
	echo "/usr/lib/postgresql/$(pg_major)/lib/pgxs/src/test"
}

# regress PROGRAM INPUT-DIR NAME...: one temporary server for all of them.
regress()
{
	local program=$1 input=$2 out rc=0
	shift 2
	out=$(user_dir "$build/$(basename "$program")")
	rm -rf "${out:?}"/*
	(
		cd "$out" &&
		as_user "$program" --inputdir="$input" --outputdir="$out" \
			--bindir="$(private_pg_bindir "$build/pg")" \
			--temp-instance="$out/instance" --no-locale --encoding=UTF8 \
			--temp-config="$build/tree/test/regress.conf" "$@"
	) || rc=$?
	if [ "$rc" -ne 0 ]; then
		[ ! -f "$out/regression.diffs" ] || cat "$out/regression.diffs"
		grep -E '(PANIC|TRAP:|terminated by signal)' "$out/log/postmaster.log" || :
	fi
	return "$rc"
}

run_sql()
{
	local names
	names=$(cd sql && ls ./*.sql | sed 's|^\./||; s|\.sql$||' |
		grep -v -e '^stream_ext' -e '^init$')
	# shellcheck disable=SC2086
	regress "$(pgxs_tests)/regress/pg_regress" "$build/tree" init $names
}

run_isolation()
{
	local names
	names=$(cd test/isolation/specs && ls ./*.spec | sed 's|^\./||; s|\.spec$||')
	# shellcheck disable=SC2086
	regress "$(pgxs_tests)/isolation/pg_isolation_regress" \
		"$build/tree/test/isolation" --load-extension=stream_ext $names
}

# The jars where the servers' account can read them.
kafka_jars()
{
	local jars
	jars=$(ci/kafka jars)
	if ! as_user test -r "$jars/."; then
		mkdir -p "$build/kafka-jars"
		cp -au "$jars/." "$build/kafka-jars/"
		jars=$build/kafka-jars
	fi
	echo "$jars"
}

run_tap()
{
	local file=$1 out bin
	out=$(user_dir "$build/tap/$(basename "$file" .pl)")
	rm -rf "${out:?}"/*
	bin=$(private_pg_bindir "$build/pg")
	(
		cd "$out" &&
		SE_USER_HOME=$(user_dir "$build/home") as_user env \
			PATH="$bin:$build/tree/test/tools:$PATH" \
			PERL5LIB="$build/tree/test/lib:$(pgxs_tests)/perl" \
			PG_REGRESS="$(pgxs_tests)/regress/pg_regress" \
			TESTDIR="$out" TESTDATADIR="$out/data" TESTLOGDIR="$out/log" \
			STREAM_EXT_KAFKA_JARS="$jars" STREAM_EXT_QUICK="$quick" \
			STREAM_EXT_TREE="$build/tree" \
			prove -v "$build/tree/$file"
	) || {
		# what the test said before it died is not in prove's output
		tail -n 25 "$out"/tmp_check/log/regress_log_* | sed 's/^/log: /'
		return 1
	}
}

# ---- run them --------------------------------------------------------------

trap finish EXIT
trap 'exit 1' HUP INT TERM
if wants packages; then
	ci/install-deps build test
	! wants fuzz || ci/install-deps fuzz
	! wants kafka || ci/install-deps kafka
fi
build=$(build_dir)
mkdir -p "$build/log" "$build/tap"
sweep

if wants checks; then
	count one "checks: include order" ci/check-includes
	count one "checks: format" ci/check-format
	count one "checks: file sizes" ci/check-size
fi
if wants build || [ ! -x "$(private_pg_bindir "$build/pg")/postgres" ]; then
	count one "build" build_all
	[ "$failed" -eq 0 ] || wants checks || exit 1
	count one "install, privately" install_privately
fi
! wants sql || count regress "sql" run_sql
! wants isolation || count regress "isolation" run_isolation
! wants docs || count total "docs: the examples" test/docs/run
! wants property || count total "property: views equal their queries" \
	test/property/run --seed "$STREAM_EXT_SEED" \
	--cases "$([ -n "$quick" ] && echo 200 || echo 2000)"
! wants fuzz || count one "fuzz: decoders under AddressSanitizer" \
	make -s fuzz-check ${quick:+FUZZ_SECONDS=5}
if wants kafka; then
	jars=$(kafka_jars)
	[ ${#tap[@]} -gt 0 ] || tap=(test/t/*.pl)
	for file in "${tap[@]}"; do
		count tap "kafka: $(basename "$file" .pl)" run_tap "$file"
	done
fi
! wants matrix || count total "matrix: the other Debian" ci/matrix

# shellcheck shell=bash
#
# ci/lib.sh
#	  What the project's shell scripts share: messages and timed steps, Debian
#	  packages, the unprivileged user that servers run as, free ports, and a
#	  private PostgreSQL.
#
# A private PostgreSQL is a second installation tree made of links to the
# packaged one.  PostgreSQL finds its libraries and its share directory relative
# to its own binary, so copying bin/ and linking the rest gives a server that
# loads what we install there, while nothing under /usr changes.  A script that
# dies halfway leaves such a tree behind; making it again starts from nothing.
#
# Copyright (c) 2026, the stream_ext contributors

SE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
SE_CACHE=${STREAM_EXT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stream_ext}
export DEBIAN_FRONTEND=noninteractive

# ---- messages and steps ----------------------------------------------------

say()
{
	printf '%s\n' "$*"
}

# fail MESSAGE...: one line each on stderr, then the script ends.
fail()
{
	printf '%s: %s\n' "$(basename "$0")" "$1" >&2
	shift
	[ $# -eq 0 ] || printf '  %s\n' "$@" >&2
	exit 1
}

se_now()
{
	date +%s.%N
}

se_since()
{
	awk -v a="$1" -v b="$(se_now)" 'BEGIN { printf "%.1f s", b - a }'
}

# step LABEL COMMAND...: runs it in a subshell with its output in a log, prints
# one line with the time it took, and shows the end of the log if it fails.
# Returns the command's status.  The log stays in $STEP_LOG when that is set.
# bash ignores set -e in there: a function joins its commands with && itself.
step()
{
	local label=$1 start log rc=0
	shift
	log=${STEP_LOG:-$(mktemp)}
	printf '%-46s ' "$label"
	start=$(se_now)
	("$@") >"$log" 2>&1 </dev/null || rc=$?
	if [ "$rc" -eq 0 ]; then
		printf 'ok      %s\n' "$(se_since "$start")"
	else
		printf 'FAILED  %s (status %d)\n' "$(se_since "$start")" "$rc"
		tail -n "${STEP_LINES:-60}" "$log" | sed 's/^/    | /'
		[ -z "${STEP_LOG:-}" ] || say "    the whole log: $log"
	fi
	[ -n "${STEP_LOG:-}" ] || rm -f "$log"
	return "$rc"
}

# wait_until SECONDS COMMAND...: true as soon as the command is.
wait_until()
{
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.2
	done
}

# ---- Debian packages -------------------------------------------------------

# The PostgreSQL of this Debian release; PG_MAJOR in the environment wins.
pg_major()
{
	local id version
	if [ -n "${PG_MAJOR:-}" ]; then
		echo "$PG_MAJOR"
		return
	fi
	id=$(. /etc/os-release && echo "${ID:-}")
	version=$(. /etc/os-release && echo "${VERSION_ID:-}")
	case "$id $version" in
		"debian 12") echo 15 ;;
		"debian 13") echo 17 ;;
		*) fail "this is $id $version; the scripts know Debian 12 and 13" \
			"elsewhere, install the packages named in ci/install-deps" \
			"by hand and set PG_MAJOR to the server's major version" ;;
	esac
}

have_package()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_root_or_sudo WHY: ends with advice where neither is there.
need_root_or_sudo()
{
	[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
		fail "$1 needs root, and there is no sudo here"
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo --preserve-env=DEBIAN_FRONTEND "$@"
	fi
}

# install_packages NAME...: installs what is missing, silently when nothing is.
# A freshly installed PostgreSQL makes no system cluster: a drop-in says so while
# the packages are being configured, and is taken away again.
install_packages()
{
	local missing=() package dropdir=/etc/postgresql-common/createcluster.d
	local log rc=0 madedir=
	for package in "$@"; do
		have_package "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	need_root_or_sudo "installing ${missing[*]}"
	printf 'installing %s\n' "${missing[*]}"
	log=$(mktemp)
	[ -d "$dropdir" ] || madedir=yes
	as_root mkdir -p "$dropdir"
	echo 'create_main_cluster = false' |
		as_root tee "$dropdir/zz-stream_ext.conf" >/dev/null
	{
		as_root apt-get update -q -o DPkg::Lock::Timeout=300 &&
		as_root apt-get install -q -y --no-install-recommends \
			-o DPkg::Lock::Timeout=300 "${missing[@]}"
	} >"$log" 2>&1 </dev/null || rc=$?
	as_root rm -f "$dropdir/zz-stream_ext.conf"
	[ -z "$madedir" ] ||
		as_root rmdir --ignore-fail-on-non-empty "$dropdir" 2>/dev/null || :
	if [ "$rc" -ne 0 ]; then
		tail -n 40 "$log" >&2
		rm -f "$log"
		fail "could not install ${missing[*]}" \
			"try: apt-get update && apt-get install ${missing[*]}"
	fi
	rm -f "$log"
}

# ---- who runs the servers, and where ---------------------------------------

# PostgreSQL refuses to run as root.  Root's runs use this account; everyone
# else's their own.
run_user()
{
	if [ "$(id -u)" -ne 0 ]; then
		id -un
	else
		echo "${STREAM_EXT_USER:-postgres}"
	fi
}

# as_user COMMAND...: as that account, with a HOME it can write to.
as_user()
{
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	else
		setpriv --reuid="$(run_user)" --regid="$(id -gn "$(run_user)")" \
			--init-groups --no-new-privs \
			env HOME="${SE_USER_HOME:-/tmp}" USER="$(run_user)" "$@"
	fi
}

# The directory that builds and runs use: build/ in the tree, or, where the
# account above cannot get there (a clone in root's home), one in /var/tmp.
build_dir()
{
	local dir=${STREAM_EXT_BUILD:-$SE_TOP/build}
	if [ -z "${STREAM_EXT_BUILD:-}" ] && ! as_user test -x "$SE_TOP"; then
		dir=/var/tmp/stream_ext-$(printf %s "$SE_TOP" | cksum | cut -d' ' -f1)
	fi
	mkdir -p "$dir"
	echo "$dir"
}

# user_dir DIR: makes it, owned by the account that runs servers.
user_dir()
{
	mkdir -p "$1"
	[ "$(id -u)" -ne 0 ] || chown "$(run_user):" "$1"
	echo "$1"
}

# free_ports [N]: N different ports of 127.0.0.1 that nobody listens on, chosen
# below the range from which the kernel serves outgoing connections.
free_ports()
{
	perl -MIO::Socket::INET -e '
		my ($want, %taken) = @ARGV;
		for (my $try = 0; $want > 0 && $try < 1000; $try++)
		{
			my $port = 15000 + int(rand(17000));
			next if $taken{$port};
			my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
				LocalPort => $port, Proto => "tcp", Listen => 1) or next;
			$taken{$port} = $s;
			$want--;
		}
		die "no free port\n" if $want > 0;
		print "$_\n" for keys %taken;' "${1:-1}"
}

# ---- a private PostgreSQL --------------------------------------------------

pg_system_bindir()
{
	echo "/usr/lib/postgresql/$(pg_major)/bin"
}

# private_pg_root DIR: (re)makes the tree and prints its bin directory.  Then
#	  make install PG_CONFIG=DIR/usr/lib/postgresql/N/bin/pg_config
# installs into it.
private_pg_root()
{
	local root=$1 major lib share
	major=$(pg_major)
	lib=usr/lib/postgresql/$major
	share=usr/share/postgresql/$major
	[ -x "/$lib/bin/postgres" ] ||
		fail "PostgreSQL $major is not installed" "try: ci/install-deps test"
	rm -rf "$root" &&
		mkdir -p "$root/$lib" "$root/usr/share/postgresql" &&
		cp -a "/$lib/bin" "$root/$lib/bin" &&
		cp -as "/$lib/lib" "$root/$lib/lib" &&
		cp -as "/$share" "$root/$share" &&
		ln -s /usr/include "$root/usr/include" &&
		echo "$root/$lib/bin"
}

# private_pg_bindir ROOT: where private_pg_root put the binaries.
private_pg_bindir()
{
	echo "$1/usr/lib/postgresql/$(pg_major)/bin"
}

# pg_start DIR [CONF-LINE...]: a cluster in DIR/data, made at the first start
# with CONF-LINEs added to its configuration, run by PG_BIN (default: the
# packaged server).  It listens on a Unix socket in DIR only, which nobody else
# may enter.  DIR/env holds the PG* variables to reach it.
pg_start()
{
	local dir=$1 bin=${PG_BIN:-$(pg_system_bindir)} port
	shift
	[ ${#dir} -lt 80 ] || fail "$dir is too long a path for a Unix socket"
	user_dir "$dir" >/dev/null
	chmod 700 "$dir"
	if [ ! -f "$dir/data/PG_VERSION" ]; then
		port=$(free_ports)
		as_user "$bin/initdb" -D "$dir/data" -U postgres -A trust -N \
			--locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
			{ cat "$dir/initdb.log" >&2; rm -rf "$dir/data"; return 1; }
		{
			echo "listen_addresses = ''"
			echo "unix_socket_directories = '$dir'"
			echo "port = $port"
			[ $# -eq 0 ] || printf '%s\n' "$@"
		} >>"$dir/data/postgresql.conf"
		printf 'export PGHOST=%s PGPORT=%s PGUSER=postgres PGDATABASE=postgres\n' \
			"$dir" "$port" >"$dir/env"
	fi
	as_user "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -s start \
		>"$dir/start.log" 2>&1 </dev/null ||
		{ tail -n 20 "$dir/start.log" "$dir/server.log" >&2; return 1; }
}

# pg_stop DIR [MODE]: nothing to do when it does not run.
pg_stop()
{
	local dir=$1 bin=${PG_BIN:-$(pg_system_bindir)}
	[ -f "$dir/data/postmaster.pid" ] || return 0
	as_user "$bin/pg_ctl" -D "$dir/data" -w -s -m "${2:-fast}" stop
}

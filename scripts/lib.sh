# lib.sh - what the scripts share. Sourced, not run.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf 'ok  %-12s %s\n' "$1" "$2"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# run COMMAND... in a process group of its own, which on_interrupt ends: bash itself only listens between commands.
child=""
run() {
    local status=0
    setsid "$@" &
    child=$!
    wait "$child" || status=$?
    child=""
    return "$status"
}

# on_interrupt ends what runs, and the script with 130; `log` is whatever the function at work calls so.
on_interrupt() {
    trap 'trap "" INT TERM; [ -z "$child" ] || { kill -TERM -- "-$child"; wait "$child"; } 2>/dev/null || true; rm -f "${log:-}"; exit 130' \
        INT TERM
}

need_root() {
    [ "$(id -u)" = 0 ] || die "$(basename "$0") needs root: it makes a network namespace and a port. Run: sudo $0"
}

# What the builds, the tests and the try need, by Debian's names.
packages_build="gcc meson ninja-build pkg-config libdpdk-dev libck-dev liburcu-dev libxxhash-dev libfyaml-dev
    libjansson-dev libmicrohttpd-dev libcurl4-openssl-dev libhiredis-dev libzstd-dev zlib1g-dev liburing-dev libnats-dev librdkafka-dev
    libssl-dev"
packages_run="iproute2 iputils-ping ethtool python3 zstd util-linux curl"
packages_test="clang clang-format clang-tidy libclang-rt-14-dev libcmocka-dev python3-pytest man-db strace valgrind redis-server nats-server
    librocksdb-dev wrk nghttp2-client nodejs chromium"

# install_missing PACKAGE... installs those that are not there, and nothing when all are.
install_missing() {
    local missing="" package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    need_root
    echo "installing:$missing" >&2
    # shellcheck disable=SC2086
    if ! { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }; } \
        >"${TMPDIR:-/tmp}/trove-apt.log" 2>&1; then
        tail -20 "${TMPDIR:-/tmp}/trove-apt.log" >&2
        die "could not install:$missing (the log: ${TMPDIR:-/tmp}/trove-apt.log)"
    fi
}

configure() {
    local dir=$1
    shift
    if [ -f "$dir/build.ninja" ]; then
        meson configure "$dir" "$@"
    else
        meson setup "$dir" "$top" "$@"
    fi
}

targets="" # nobody else's

# build DIR [meson option...] configures DIR and builds it, or what $targets names of it; silent unless it fails.
build() {
    local dir=$1 log
    shift
    log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { configure "$dir" "$@" && run ninja -C "$dir" $targets; } >"$log" 2>&1; then
        tail -60 "$log" >&2
        rm -f "$log"
        die "the build in $dir failed"
    fi
    rm -f "$log"
}

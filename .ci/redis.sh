#!/usr/bin/env bash
# Brings the Redis that Debian has (7.0 in its release 12) into .build/redis, for the tests of the oldest server that is supported.
# Nothing is installed, and nobody has to be root: the packages are downloaded by apt and unpacked. `.build/redis/redis-server` starts it
# with the libraries that came with it. Where that cannot be, the reason is printed and nothing has failed: those tests are skipped.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
place="$PWD/.build/redis"
server="$place/redis-server"

skip() {
    echo "no Redis for the tests of the oldest server: $1" >&2
    rm -rf "$place"
    exit 0
}

[ -z "${LIBRA_REDIS_SERVER:-}" ] && ! command -v redis-server >/dev/null || exit 0
"$server" --version >/dev/null 2>&1 && exit 0
for tool in apt-get apt-cache dpkg ldd timeout; do
    command -v "$tool" >/dev/null || skip "there is no $tool here"
done
rm -rf "$place"
mkdir -p "$place/packages" "$place/lists" || skip "$place cannot be made"

# Whoever is offline is to wait for nothing, and nobody for long: it takes four seconds on a machine at rest.
within() {
    timeout $((SECONDS < 59 ? 60 - SECONDS : 1)) "$@"
}
quick=(-qq -o Acquire::Retries=0 -o Acquire::http::Timeout=4 -o Acquire::https::Timeout=4 -o APT::Sandbox::User=)
own_lists=(-o "Dir::State::lists=$place/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
lists=()

why() {
    grep . "$place/said" | tail -n 1 | cut -c 1-200 | grep . || echo "it took too long to download it"
}

fetch() {
    (cd "$place/packages" && within apt-get "${quick[@]}" "${lists[@]}" download "$@") >/dev/null 2>"$place/said"
}

if ! fetch redis-server redis-tools; then
    # An image that was made small has no lists of packages.
    lists=("${own_lists[@]}")
    within apt-get "${quick[@]}" "${lists[@]}" update >/dev/null 2>"$place/said" && fetch redis-server redis-tools ||
        skip "$(why)"
fi
unpack() {
    for package in "$place"/packages/*.deb; do
        dpkg -x "$package" "$place" || skip "$package cannot be unpacked"
        rm -f "$package"
    done
}
unpack
binary="$place/usr/bin/redis-server"
if ldd "$binary" | grep -q "not found"; then
    needed=$(apt-cache "${lists[@]}" depends redis-tools | awk '$1 == "Depends:" && $2 ~ /^lib/ && $2 !~ /^libc6/ { print $2 }')
    # shellcheck disable=SC2086 # They are several.
    fetch $needed || skip "$(why)"
    unpack
fi
libraries=$(find "$place" -name '*.so*' -exec dirname {} + | sort -u | paste -sd : -)
cat >"$server" <<END
#!/bin/sh
here=\$(cd "\$(dirname "\$0")" && pwd)
LD_LIBRARY_PATH="${libraries//$place/\$here}\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "${binary/$place/\$here}" "\$@"
END
chmod +x "$server"
rm -rf "$place/lists" "$place/packages" "$place/said"
said=$("$server" --version 2>&1) || skip "$(echo "$said" | head -n 1)"

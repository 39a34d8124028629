#!/usr/bin/env bash
# Edges (which stand on ringbuf), wake-ups and whole random runs of producers, router and mailboxes on real threads:
#
# - under ThreadSanitizer, which knows what atomics order. It is an unstable option of the stable compiler. The standard
#   library is not built with it (that asks for its sources and a nightly cargo), so what only its locks order looks like a
#   race: .ci/tsan.supp names those places, each with its reason;
# - under valgrind's memcheck: what is read before it is written, freed twice, or never.
#
# Not under helgrind: it takes every access by atomics for a race, in ringbuf as in the standard library's own locks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo=${CARGO:-cargo}
tests=(edge::tests wake::tests)
host=$(rustc -vV | sed -n 's/^host: //p')

if compgen -G "$(rustc --print sysroot)/lib/rustlib/$host/lib/librustc-*_rt.tsan.a" >/dev/null; then
    # An own folder: other flags would rebuild everything else.
    tsan() {
        RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
            TSAN_OPTIONS="suppressions=$PWD/.ci/tsan.supp exitcode=9" \
            "$cargo" test --manifest-path core-rs/Cargo.toml --locked -p libra-kernel --quiet \
            --target "$host" --target-dir .build/tsan "$@"
    }
    tsan --lib -- "${tests[@]}" --test-threads=1
    tsan --test bus_model -- --test-threads=1
else
    echo "races: this Rust has no ThreadSanitizer for $host: not looked for races" >&2
    exit 2
fi
if command -v valgrind >/dev/null; then
    "$cargo" --config 'target."cfg(all())".runner = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
        "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]' \
        test --manifest-path core-rs/Cargo.toml --locked -p libra-kernel --quiet --lib -- "${tests[@]}" --test-threads=1
else
    echo "races: there is no valgrind: not looked for memory that is lost or read too early" >&2
    exit 2
fi

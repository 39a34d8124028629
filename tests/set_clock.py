"""A child whose wall clock a test sets while it runs: by LD_PRELOAD, since to set the host's needs privileges."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

# CLOCK_REALTIME of a process, by so much as a file says.
_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *skew_ns;

__attribute__((constructor)) static void find(void) {
    const char *path = getenv("SKEW_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) skew_ns = mapped;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (!failed && skew_ns && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        long long ns = now->tv_sec * 1000000000LL + now->tv_nsec + *skew_ns;
        now->tv_sec = ns / 1000000000LL;
        now->tv_nsec = ns % 1000000000LL;
    }
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
"""


class SetClock:
    """A wall clock of a child's own.

    Args:
        path: The file that says by how many nanoseconds it is ahead of the host's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_this_process(cls) -> "SetClock":
        """That of a child that was started with one."""
        return cls(Path(os.environ["SKEW_FILE"]))

    @staticmethod
    def made(folder: Path, ahead_s: float = 0.0) -> dict[str, str]:
        """The variables of the environment by which a child has such a clock."""
        compiler = shutil.which("cc")
        assert compiler is not None
        source, library, skew = folder / "clock.c", folder / "clock.so", folder / "skew"
        source.write_text(_SOURCE, encoding="utf-8")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        skew.write_bytes(bytes(8))
        SetClock(skew).set(ahead_s)
        return {"LD_PRELOAD": str(library), "SKEW_FILE": str(skew)}

    @staticmethod
    def run(folder: Path, module: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs a module of the tests in a child that may set its clock."""
        return subprocess.run(
            [sys.executable, "-m", module],
            env=os.environ | SetClock.made(folder),
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def set(self, ahead_s: float) -> None:
        """From now on it shows so much more than the host's."""
        with self._path.open("r+b") as file:
            file.write(struct.pack("=q", round(ahead_s * 1e9)))

//! The marker beside an account's log: what the next process takes for the kill latch.
//!
//! - **Made** ([`Marker::make`]) by whoever hears the word: the guard's thread, the loop, a signal's handler. A file is made
//!   and nothing is forced, so nobody waits for a disk; from then on every later process finds it, however this one ends.
//! - **Forced** to the disk ([`disk`](super::disk)) by threads of their own that nobody waits for: only the machine's own
//!   end asks for that. They open what is there and make nothing, so a marker that goes meanwhile is gone.
//! - **Taken away** ([`Marker::take_away`]) once the latch stands in the log: by the loop that wrote it, or the next process.
//!
//! Whoever makes and whoever takes away are kept apart by the alarm's lock, under which nothing is forced. A handler has
//! none: what it makes, while no loop runs or in a process above the node's, stays until a process answers it.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk;

/// See the module.
#[derive(Debug)]
pub(crate) struct Marker {
    path: CString,
    /// It was made, and no thread has begun to force it since. Looked at before the next one, and set after it is.
    is_new: AtomicBool,
    /// A thread forces it.
    is_at_the_disk: AtomicBool,
}

impl Marker {
    /// The marker of an account, by its log; `None` for a path that no file can have.
    pub(crate) fn beside(log: &Path) -> Option<Arc<Marker>> {
        let path = CString::new(marker_of(log).as_os_str().as_bytes()).ok()?;
        let marker = Arc::new(Marker { path, is_new: AtomicBool::new(false), is_at_the_disk: AtomicBool::new(false) });
        disk::keep(&marker);
        Some(marker)
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path.to_bytes()))
    }

    /// Makes it, and has it forced; gives the error's number. Async-signal-safe.
    pub(crate) fn make(&self) -> Result<(), i32> {
        touch(&self.path)?;
        self.is_new.store(true, Ordering::SeqCst);
        disk::poke();
        Ok(())
    }

    pub(super) fn take_away(&self) -> io::Result<()> {
        match std::fs::remove_file(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Async-signal-safe.
    pub(crate) fn exists(&self) -> bool {
        // SAFETY: a path that ends with a zero.
        unsafe { libc::access(self.path.as_ptr(), libc::F_OK) == 0 }
    }

    /// True until the disk has taken it, or has refused it, as often as it was made.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.is_new.load(Ordering::SeqCst) || self.is_at_the_disk.load(Ordering::SeqCst)
    }

    /// True for one thread at a time, where there is something to force: that one calls [`Marker::force`].
    pub(super) fn begins(&self) -> bool {
        self.is_new.load(Ordering::SeqCst) && !self.is_at_the_disk.swap(true, Ordering::SeqCst)
    }

    /// Forces it until nothing is new any more. `failed` hears of a disk that does not take it while it is there.
    pub(super) fn force(&self, failed: impl Fn(&Marker, i32)) {
        loop {
            while self.is_new.swap(false, Ordering::SeqCst) {
                if let Err(errno) = force(&self.path)
                    && self.exists()
                {
                    failed(self, errno);
                }
            }
            self.is_at_the_disk.store(false, Ordering::SeqCst);
            if !self.begins() {
                return;
            }
        }
    }
}

fn marker_of(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".killed");
    PathBuf::from(name)
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Makes a file; where no descriptor is left, without one. Async-signal-safe.
fn touch(path: &CStr) -> Result<(), i32> {
    // SAFETY: system calls with a path that ends with a zero, and a descriptor that is closed here and nowhere else.
    unsafe {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let fd = libc::open(path.as_ptr(), flags, 0o600 as libc::c_uint);
        if fd >= 0 {
            libc::close(fd);
            return Ok(());
        }
        match errno() {
            libc::EMFILE | libc::ENFILE => match libc::mknod(path.as_ptr(), libc::S_IFREG | 0o600, 0) {
                0 => Ok(()),
                _ => Some(errno()).filter(|errno| *errno != libc::EEXIST).map_or(Ok(()), Err),
            },
            other => Err(other),
        }
    }
}

/// Forces a file, and its name in its folder, to the disk. One that is not there is none of ours any more.
fn force(path: &CStr) -> Result<(), i32> {
    #[cfg(test)]
    let _disk = disk::tests::disk_of(path);
    let folder = Path::new(OsStr::from_bytes(path.to_bytes())).parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = CString::new(folder.as_os_str().as_bytes()).map_err(|_| libc::EINVAL)?;
    match sync(path, libc::O_WRONLY).and_then(|()| sync(&folder, libc::O_RDONLY)) {
        // No folder of such a disk can be forced by itself.
        Err(libc::ENOENT | libc::EINVAL) => Ok(()),
        Err(libc::EMFILE | libc::ENFILE) => {
            // SAFETY: needs nothing, not even a descriptor.
            unsafe { libc::sync() };
            Ok(())
        }
        done => done,
    }
}

fn sync(path: &CStr, how: libc::c_int) -> Result<(), i32> {
    // SAFETY: system calls with a path that ends with a zero, and a descriptor that is closed here and nowhere else.
    unsafe {
        let fd = libc::open(path.as_ptr(), how | libc::O_CLOEXEC | libc::O_NONBLOCK);
        if fd < 0 {
            return Err(errno());
        }
        let done = if libc::fsync(fd) == 0 { Ok(()) } else { Err(errno()) };
        libc::close(fd);
        done
    }
}

//! The kill switch while no guard takes it: before a node has one, behind its end, and in a process that only starts others.
//!
//! Then there is no loop to stop, and the word is for whoever opens the accounts next: the signal's handler itself leaves the
//! marker beside each log, and says so on stderr. So there is no instant between a node and the end of its process in which
//! the signal is nobody's. The handler is native and stays to the end: an interpreter that ends takes its own back.
//!
//! A process that passes the signal on ([`Heard::PassOn`]) leaves the markers first, in silence: the node that answers
//! takes its own away, and where it has died nobody has to notice. What is left in the end is told then ([`tell`]).
//!
//! Everything that the handler does is async-signal-safe: texts and paths are made before, and nothing is allocated. It waits
//! for no disk: threads that take no signals force to it what was made ([`marker`](crate::alarm::marker)). With no
//! descriptor left the marker is made without one.

use std::ffi::CString;
use std::io::{Cursor, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};

use super::ending::{force_markers, say_bytes};
use super::signals::{are_handlers_under_way, wait_for_handlers};
use crate::alarm::marker::Marker;

const HEAD: &[u8] = b"libra: kill switch: no node answers it: ";
const NOTHING: &[u8] = b"nothing is latched";

/// An account that comes up latched when the switch is pulled now.
struct Latch {
    marker: Option<Arc<Marker>>,
    /// The folders above the marker, the uppermost first.
    folders: Vec<CString>,
    done: Vec<u8>,
    failed: Vec<u8>,
    /// Its log was opened: a folder that is not there is one that somebody removed.
    is_opened: AtomicBool,
}

/// Whose accounts they are; null where nobody has said so yet. A handler reads it, so it is replaced as a whole.
static LATCHES: AtomicPtr<Vec<Latch>> = AtomicPtr::new(null_mut());
/// How often the switch came here.
static CAME: AtomicU64 = AtomicU64::new(0);
static HEARD: AtomicU8 = AtomicU8::new(Heard::Leave as u8);

/// What a signal does that no guard takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Heard {
    /// It leaves the markers, and says so.
    Leave = 0,
    /// It leaves them in silence, and whoever had the signal before hears it too.
    PassOn = 1,
}

/// In a forked child: the accounts of its parent are none of its own.
pub(super) fn forget_in_child() {
    LATCHES.store(null_mut(), Ordering::SeqCst);
}

/// The accounts that the switch is about from now on: name, and log where it is a file.
pub fn name_accounts(accounts: &[(String, Option<PathBuf>)]) {
    let latches = accounts.iter().map(|(account, log)| Latch::of(account, log.as_deref())).collect();
    let before = LATCHES.swap(Box::into_raw(Box::new(latches)), Ordering::SeqCst);
    if !before.is_null() && !are_handlers_under_way() {
        // SAFETY: it was made by a box here, and no handler that could read it is under way: one that begins now finds the
        // new one. Where one is, this little stays.
        drop(unsafe { Box::from_raw(before) });
    }
}

/// What a signal that no guard takes does from now on.
pub(super) fn set_heard(heard: Heard) {
    HEARD.store(heard as u8, Ordering::SeqCst);
}

/// The handler's part: true where whoever had the signal before is to hear it, too.
pub(super) fn heard() -> bool {
    CAME.fetch_add(1, Ordering::SeqCst);
    let passes_on = HEARD.load(Ordering::SeqCst) == Heard::PassOn as u8;
    leave(!passes_on, |_| false);
    passes_on
}

/// Leaves the marker of each account but of those whose latch stands in the log, as `is_answered` says of a marker.
pub(super) fn leave(aloud: bool, is_answered: impl Fn(Option<&Path>) -> bool) {
    let Some(latches) = latches() else { return };
    if latches.is_empty() && aloud {
        line(NOTHING, None);
    }
    for latch in latches.iter().filter(|latch| !is_answered(latch.marker_path())) {
        match &latch.marker {
            Some(marker) => {
                let left = latch.leave(marker);
                if aloud {
                    line(if left.is_ok() { &latch.done } else { &latch.failed }, left.err());
                }
            }
            None if aloud => line(&latch.failed, None),
            None => {}
        }
    }
}

/// Nobody takes the switch any more: tells which markers are left of what came until now. From now on each signal says so
/// itself.
pub fn tell() {
    set_heard(Heard::Leave);
    if CAME.load(Ordering::SeqCst) == 0 {
        return;
    }
    wait_for_handlers();
    for latch in latches().unwrap_or_default() {
        if latch.marker.as_ref().is_none_or(|marker| marker.exists()) {
            line(if latch.marker.is_some() { &latch.done } else { &latch.failed }, None);
        }
    }
    force_markers();
}

/// An account was opened.
pub(super) fn note_opened(marker: Option<&Path>) {
    let Some(marker) = marker else { return };
    for latch in latches().unwrap_or_default() {
        if latch.marker_path() == Some(marker) {
            latch.is_opened.store(true, Ordering::SeqCst);
        }
    }
}

fn latches() -> Option<&'static [Latch]> {
    let latches = LATCHES.load(Ordering::SeqCst);
    // SAFETY: null, or what a box here was made of. Handlers read it while they are counted as under way; elsewhere it is
    // read by who replaces it, or by a guard, of which a process has one at a time.
    unsafe { latches.as_ref() }.map(Vec::as_slice)
}

impl Latch {
    fn of(account: &str, log: Option<&Path>) -> Latch {
        let marker = log.and_then(Marker::beside);
        let path = marker.as_ref().map(|marker| marker.path());
        let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
        let above = path.into_iter().flat_map(|path| path.ancestors().skip(1));
        let mut folders: Vec<CString> =
            above.filter(|folder| !folder.as_os_str().is_empty()).filter_map(c_path).collect();
        folders.reverse();
        let shown = path.map_or_else(String::new, |path| path.display().to_string());
        let failed = match log {
            Some(_) => format!("account {account} is NOT LATCHED: {shown} cannot be written"),
            None => format!("account {account} has no log, so nothing is latched"),
        };
        Latch {
            marker,
            folders,
            done: format!("account {account} comes up latched ({shown})").into_bytes(),
            failed: failed.into_bytes(),
            is_opened: AtomicBool::new(false),
        }
    }

    fn marker_path(&self) -> Option<&Path> {
        self.marker.as_ref().map(|marker| marker.path())
    }

    fn leave(&self, marker: &Marker) -> Result<(), i32> {
        match marker.make() {
            Err(libc::ENOENT) if !self.is_opened.load(Ordering::SeqCst) => {
                for folder in &self.folders {
                    // SAFETY: a path that ends with a zero. One that is there already is as good.
                    unsafe { libc::mkdir(folder.as_ptr(), 0o777) };
                }
                marker.make()
            }
            left => left,
        }
    }
}

/// Says one line, made on the stack. What is too long for it is left out.
fn line(text: &[u8], errno: Option<i32>) {
    let mut line = [0u8; 2048];
    let room = line.len() - 1;
    let mut cursor = Cursor::new(&mut line[..room]);
    let _ = cursor.write_all(HEAD);
    let _ = cursor.write_all(text);
    if let Some(errno) = errno {
        let _ = write!(cursor, " (errno {errno:03})");
    }
    let end = cursor.position() as usize;
    line[end] = b'\n';
    say_bytes(&line[..=end]);
}

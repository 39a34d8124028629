//! A log and the processes that its own forks: they have neither the file nor a word in it.

use super::*;
use crate::risk::RiskCode;

#[cfg(coverage)]
unsafe extern "C" {
    /// What a process ran counts when its exit handlers do, and a child's do not.
    fn __llvm_profile_write_file() -> i32;
}

/// Runs `look` in a child; gives how it ended.
fn in_a_fork(look: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child touches memory that it has, and ends without anyone's exit code.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(20);
            let said = look();
            #[cfg(coverage)]
            __llvm_profile_write_file();
            libc::_exit(said);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        status
    }
}

#[test]
fn a_child_appends_nothing_and_has_nothing_approved() {
    let file = TempLog::new();
    for in_memory in [true, false] {
        let mut config = file.config(RiskLimits::default());
        if in_memory {
            config.log = LogConfig::Memory;
        }
        let (mut gate, _) = Gate::open(config, T0).unwrap();
        quote(&mut gate, T0);
        let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
        let before = std::fs::metadata(&file.0).map_or(0, |found| found.len());
        let status = in_a_fork(|| {
            let _ = gate.release(T0, &approval, Rejection::new(RiskCode::QueueFull, "the test"));
            i32::from(!gate.log_failed()) | i32::from(gate.reserve(T0, &buy(3, 10)).is_ok()) << 1
        });
        assert_eq!(status, 0, "in memory: {in_memory}");
        assert_eq!(std::fs::metadata(&file.0).map_or(0, |found| found.len()), before);
        place(&mut gate, T0, &buy(2, 10)).unwrap();
    }
}

#[test]
fn a_child_that_drops_its_copy_leaves_the_owner_its_lock() {
    let file = TempLog::new();
    let (gate, _) = file.open(RiskLimits::default(), T0);
    let gate = std::mem::ManuallyDrop::new(gate);
    let status = in_a_fork(|| {
        drop(std::mem::ManuallyDrop::into_inner(gate));
        0
    });
    assert_eq!(status, 0);
    let second = Gate::open(file.config(RiskLimits::default()), T0).err().unwrap().to_string();
    // /proc/locks is Linux's.
    let who = if cfg!(target_os = "linux") { format!(": pid {}", std::process::id()) } else { String::new() };
    assert!(second.ends_with(&format!("another process owns this log{who}")), "{second}");
}

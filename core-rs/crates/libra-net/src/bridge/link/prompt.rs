//! Running soon after a wake-up, where cores are shared.
//!
//! An order is written in microseconds by a thread that sleeps in between; but a thread that is woken waits for the one that
//! has its core, by default for up to some milliseconds. Linux (6.12 and later) lets a thread ask for a short slice: its turn then
//! comes sooner and is shorter, its share of the core stays what it was, and no privilege is needed. Earlier kernels, and other
//! systems, change nothing.

/// The shortest slice that Linux gives.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 100_000;

/// Asks for a short slice for this thread. A policy that an operator has chosen for it stays, and so does its niceness.
#[cfg(target_os = "linux")]
pub(super) fn ask() {
    let mut attributes = Attributes::default();
    let size = size_of::<Attributes>() as u32;
    // SAFETY: 0 is this thread, and the pointer is to a writable structure of the size that is stated.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if got != 0 || attributes.policy != libc::SCHED_OTHER as u32 {
        return;
    }
    (attributes.size, attributes.runtime_ns) = (size, SLICE_NS);
    // SAFETY: 0 is this thread, and the pointer is to a structure that states its size. A refusal leaves all as it was.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ask() {}

/// `struct sched_attr` as of its first version.
#[cfg(target_os = "linux")]
#[derive(Default)]
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        let mut found = Attributes::default();
        // SAFETY: as in `ask`.
        let got =
            unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut found, size_of::<Attributes>() as u32, 0) };
        assert_eq!(got, 0);
        found
    }

    #[test]
    fn the_slice_alone_changes() {
        std::thread::spawn(|| {
            // SAFETY: takes no pointer; 0 is this thread.
            assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 7) }, 0);
            ask();
            let after = attributes();
            assert_eq!((after.policy, after.nice), (libc::SCHED_OTHER as u32, 7));
            // A kernel that knows of slices tells it, and one that does not says 0.
            assert!([0, SLICE_NS].contains(&after.runtime_ns), "{}", after.runtime_ns);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_policy_that_was_chosen_stays() {
        std::thread::spawn(|| {
            let parameters = libc::sched_param { sched_priority: 0 };
            // SAFETY: 0 is this thread, and the pointer is to a valid structure.
            assert_eq!(unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) }, 0);
            let before = attributes().runtime_ns;
            ask();
            let after = attributes();
            assert_eq!((after.policy, after.runtime_ns), (libc::SCHED_BATCH as u32, before));
        })
        .join()
        .unwrap();
    }
}

//! A fence that is cheap on the side that passes it often, and dear on the side that passes it seldom.
//!
//! Two threads that each write one place and then read the other's have to be kept from both reading the old value: each
//! needs a full fence between its write and its read. Where the operating system offers `membarrier`, one side can pay for
//! both: [`Fences::heavy`] makes every running thread of the process pass a full fence somewhere between its call and its
//! return (a thread that is not running has passed one when it was taken off its core), so all that [`Fences::light`] has
//! to do is keep the compiler from swapping the two accesses. Wherever the other thread's fence falls, one of the two sees
//! the other: before its write, and its read comes after the fence and sees ours, which was made before `heavy`; after its
//! read, and its write came before the fence, so our read after `heavy` sees it; between them, and both hold.
//!
//! Where the system call is missing (other systems, kernels before 4.14, a sandbox that forbids it), both are plain full
//! fences. Which of the two it is, is decided once, when the waker is made, before any producer exists.

use std::sync::atomic::{Ordering, compiler_fence, fence};

/// The two ends of the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fences {
    /// The consumer pays for both.
    Asymmetric,
    /// Each side pays for itself.
    Symmetric,
}

impl Fences {
    /// What this machine offers.
    pub(super) fn offered() -> Self {
        if membarrier::register() { Fences::Asymmetric } else { Fences::Symmetric }
    }

    /// The producer's end.
    #[inline]
    pub(super) fn light(self) {
        match self {
            Fences::Asymmetric => compiler_fence(Ordering::SeqCst),
            Fences::Symmetric => fence(Ordering::SeqCst),
        }
    }

    /// The consumer's end. False when the operating system, which had agreed, refused: nothing is promised then.
    pub(super) fn heavy(self) -> bool {
        match self {
            // A process that was forked has to register anew.
            Fences::Asymmetric => membarrier::pass() || (membarrier::register() && membarrier::pass()),
            Fences::Symmetric => {
                fence(Ordering::SeqCst);
                true
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod membarrier {
    const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;

    fn call(command: libc::c_long) -> bool {
        // SAFETY: membarrier takes three integers (the last is read with a flag only) and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0 as libc::c_long, 0 as libc::c_long) == 0 }
    }

    pub(super) fn register() -> bool {
        call(REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn pass() -> bool {
        call(PRIVATE_EXPEDITED)
    }
}

#[cfg(not(target_os = "linux"))]
mod membarrier {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn pass() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_works() {
        assert!(Fences::offered().heavy());
        assert!(Fences::Symmetric.heavy());
    }
}

//! How often an alarm was raised, and up to which raise it was answered.
//!
//! Raises come from any thread; one thread answers them, and counts before it does, so an answer never covers a raise that
//! came later. Whoever finds every raise answered sees what was done about it (the latch in the log): the answer is stored
//! with `Release` and read with `Acquire`, and it is read before the raises are, so that a raise between the two reads only
//! ever makes the alarm look raised.

use std::sync::atomic::Ordering;

use crate::atomic::Sum;

/// See the module.
#[derive(Debug)]
pub(super) struct Raises<S> {
    raised: S,
    answered: S,
}

impl<S: Sum> Raises<S> {
    /// Never raised.
    pub(super) fn new() -> Self {
        Raises { raised: S::new(0), answered: S::new(0) }
    }

    /// True while a raise is not answered.
    #[inline]
    pub(super) fn is_any_open(&self) -> bool {
        let answered = self.answered.load(Ordering::Acquire);
        answered != self.raised.load(Ordering::Acquire)
    }

    /// One more.
    pub(super) fn raise(&self) {
        self.raised.fetch_add(1, Ordering::AcqRel);
    }

    /// How many there were, for [`Raises::settle`].
    pub(super) fn count(&self) -> u64 {
        self.raised.load(Ordering::Acquire)
    }

    /// The raises up to `count` are answered.
    pub(super) fn settle(&self, count: u64) {
        self.answered.store(count, Ordering::Release);
    }
}

#[cfg(test)]
mod model {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, AtomicU64};
    use loom::thread;

    use super::*;

    /// A thread raises, the loop answers with its latch, and whoever knows of the raise asks whether an order may leave: he
    /// finds the alarm up or the latch set, whatever he sees first.
    #[test]
    fn a_raise_stands_until_its_latch_is_seen() {
        loom::model(|| {
            let raises = Arc::new(Raises::<AtomicU64>::new());
            let latch = Arc::new(AtomicBool::new(false));
            raises.raise();
            let answering = {
                let (raises, latch) = (raises.clone(), latch.clone());
                thread::spawn(move || {
                    let seen = raises.count();
                    latch.store(true, Ordering::Relaxed);
                    raises.settle(seen);
                })
            };
            assert!(raises.is_any_open() || latch.load(Ordering::Relaxed), "an order could leave");
            answering.join().unwrap();
            assert!(!raises.is_any_open());
        });
    }

    /// A raise that comes while an earlier one is answered stays up, whoever looks.
    #[test]
    fn an_answer_never_covers_a_later_raise() {
        loom::model(|| {
            let raises = Arc::new(Raises::<AtomicU64>::new());
            raises.raise();
            let answering = {
                let raises = raises.clone();
                let seen = raises.count();
                thread::spawn(move || raises.settle(seen))
            };
            raises.raise();
            assert!(raises.is_any_open(), "the second raise is there, and nobody has answered it");
            answering.join().unwrap();
            assert!(raises.is_any_open());
            raises.settle(raises.count());
            assert!(!raises.is_any_open());
        });
    }
}

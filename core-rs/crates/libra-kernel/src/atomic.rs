//! The atomics and locks that the kernel's own protocols stand on, as traits: the real ones are the standard library's, and
//! the model checker brings its own, so that what `loom` explores is the code that runs.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// An atomic boolean.
pub(crate) trait Flag {
    fn new(value: bool) -> Self;
    fn load(&self, order: Ordering) -> bool;
    fn store(&self, value: bool, order: Ordering);
    fn swap(&self, value: bool, order: Ordering) -> bool;
}

/// An atomic number with one writer.
pub(crate) trait Count {
    fn new(value: u64) -> Self;
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
}

/// An atomic number that several writers add to.
pub(crate) trait Sum {
    fn new(value: u64) -> Self;
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn fetch_add(&self, value: u64, order: Ordering) -> u64;
}

/// An atomic time that may only be moved forward by several writers.
pub(crate) trait Time {
    fn new(value: i64) -> Self;
    fn load(&self, order: Ordering) -> i64;
    fn store(&self, value: i64, order: Ordering);
    fn fetch_max(&self, value: i64, order: Ordering) -> i64;
}

/// A mutex.
pub(crate) trait Lock<T> {
    fn new(value: T) -> Self;
    fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R;
}

macro_rules! atomics {
    ($(impl $part:ident for $atomic:ty as $value:ty { $($also:ident)? })+) => {$(
        impl $part for $atomic {
            fn new(value: $value) -> Self {
                <$atomic>::new(value)
            }
            #[inline]
            fn load(&self, order: Ordering) -> $value {
                self.load(order)
            }
            #[inline]
            fn store(&self, value: $value, order: Ordering) {
                self.store(value, order);
            }
            $(
                #[inline]
                fn $also(&self, value: $value, order: Ordering) -> $value {
                    self.$also(value, order)
                }
            )?
        }
    )+};
}

atomics! {
    impl Flag for AtomicBool as bool { swap }
    impl Count for AtomicU64 as u64 {}
    impl Sum for AtomicU64 as u64 { fetch_add }
    impl Time for AtomicI64 as i64 { fetch_max }
}

impl<T> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Mutex::new(value)
    }

    fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        // What is locked this way is whole between any two statements: a poisoned lock hides no damage.
        look(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod model {
    use super::*;
    use loom::sync::atomic as loomed;

    atomics! {
        impl Flag for loomed::AtomicBool as bool { swap }
        impl Count for loomed::AtomicU64 as u64 {}
        impl Sum for loomed::AtomicU64 as u64 { fetch_add }
        impl Time for loomed::AtomicI64 as i64 { fetch_max }
    }

    impl<T> Lock<T> for loom::sync::Mutex<T> {
        fn new(value: T) -> Self {
            loom::sync::Mutex::new(value)
        }
        fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
            look(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

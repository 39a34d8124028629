//! The heartbeat of a native thread: the thread counts, the guard listens.
//!
//! A thread that hangs cannot be taken back, so the guard ends the process when one misses its heartbeat. What counts is
//! time during which the guard itself was awake: a process that was stopped and goes on (SIGSTOP, a laptop's lid, a paused
//! virtual machine) must not be taken for one that hangs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The thread's side.
pub struct Heartbeat {
    name: String,
    beats: AtomicU64,
    /// It waits for something known, and will wake by itself: no beat is expected.
    asleep: AtomicBool,
}

impl Heartbeat {
    /// The heartbeat of the thread `name`.
    pub fn new(name: &str) -> Arc<Heartbeat> {
        Arc::new(Heartbeat { name: name.to_owned(), beats: AtomicU64::new(0), asleep: AtomicBool::new(false) })
    }

    /// A sign of life. The owning thread is the only one that beats.
    #[inline]
    pub fn beat(&self) {
        self.beats.store(self.beats.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Waits for something known without being missed.
    pub fn sleep<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.asleep.store(true, Ordering::Relaxed);
        let result = wait();
        self.beat();
        self.asleep.store(false, Ordering::Relaxed);
        result
    }

    /// The thread ends: no beat is expected any more.
    pub fn end(&self) {
        self.asleep.store(true, Ordering::Relaxed);
    }
}

/// The guard's side of one heartbeat. It forgets a thread that has ended.
pub struct Listener {
    heart: Weak<Heartbeat>,
    seen: u64,
    silent_ns: i64,
}

impl Listener {
    /// Listens to a heartbeat.
    pub fn new(heart: &Arc<Heartbeat>) -> Self {
        Listener { heart: Arc::downgrade(heart), seen: heart.beats.load(Ordering::Relaxed), silent_ns: 0 }
    }

    /// False when the thread has ended.
    pub fn is_needed(&self) -> bool {
        self.heart.strong_count() != 0
    }

    /// Listens after `awake_ns` during which the listener was awake; gives the thread's name when it has been silent for
    /// `limit_ns`.
    pub fn listen(&mut self, awake_ns: i64, limit_ns: i64) -> Option<String> {
        let heart = self.heart.upgrade()?;
        let beats = heart.beats.load(Ordering::Relaxed);
        if beats != self.seen || heart.asleep.load(Ordering::Relaxed) {
            (self.seen, self.silent_ns) = (beats, 0);
            return None;
        }
        self.silent_ns = self.silent_ns.saturating_add(awake_ns);
        (self.silent_ns >= limit_ns).then(|| heart.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_and_a_beat_ends_it() {
        let heart = Heartbeat::new("feed");
        let mut listener = Listener::new(&heart);
        assert_eq!(listener.listen(60, 100), None);
        heart.beat();
        assert_eq!(listener.listen(60, 100), None);
        assert_eq!(listener.listen(60, 100), None);
        assert_eq!(listener.listen(60, 100).as_deref(), Some("feed"));
    }

    #[test]
    fn a_sleeper_is_not_missed_and_begins_anew_when_it_wakes() {
        let heart = Heartbeat::new("feed");
        let mut listener = Listener::new(&heart);
        heart.sleep(|| {
            for _ in 0..10 {
                assert_eq!(listener.listen(60, 100), None);
            }
        });
        assert_eq!(listener.listen(60, 100), None, "waking is a sign of life");
        assert_eq!(listener.listen(60, 100), None);
        assert_eq!(listener.listen(60, 100).as_deref(), Some("feed"));
    }

    #[test]
    fn a_thread_that_has_ended_is_forgotten() {
        let heart = Heartbeat::new("feed");
        let mut listener = Listener::new(&heart);
        assert!(listener.is_needed());
        heart.end();
        assert!((0..10).all(|_| listener.listen(60, 100).is_none()));
        drop(heart);
        assert!(!listener.is_needed());
        assert_eq!(listener.listen(1_000, 100), None);
    }
}

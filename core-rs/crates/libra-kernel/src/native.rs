//! Native actors: threads of our own that are supervised as any actor is.
//!
//! A panic restarts one in place, on the same thread, after a wait that doubles, until its intensity is exceeded. What
//! [`NativeActor::run`] keeps in local variables is made anew with each start; what stands in the actor's fields survives,
//! and [`NativeActor::recover`] says whether it is fit to be run again. A thread that hangs is the guard's matter: see
//! [`heartbeat`](crate::heartbeat).

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::heartbeat::Heartbeat;

/// What runs on a thread of its own.
pub trait NativeActor: Send + 'static {
    /// Works until it has nothing more to do, or [`Life::is_stopping`]. Called again after a panic.
    fn run(&mut self, life: &Life);

    /// It panicked, and would be started again. False where that must not be: what it holds may be half written.
    fn recover(&mut self, panic: &str) -> bool;

    /// It is started again after `wait`, for the `restart`th time.
    fn restarting(&mut self, panic: &str, restart: u64, wait: Duration);

    /// It panicked, and is not started again: its last words.
    fn give_up(self, panic: &str);
}

/// How often a native actor is started again.
#[derive(Clone, Copy, Debug)]
pub struct NativePolicy {
    /// Restarts allowed within the period.
    pub max_restarts: usize,
    /// The period.
    pub period: Duration,
    /// The wait before the first restart in a period; it doubles with each.
    pub backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
}

impl Default for NativePolicy {
    fn default() -> Self {
        NativePolicy {
            max_restarts: 3,
            period: Duration::from_secs(60),
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
        }
    }
}

impl NativePolicy {
    /// A failure at `now_ns`, after those in `times_ns`: how long to wait, or `None` for giving up.
    fn next_wait(&self, times_ns: &mut VecDeque<i64>, now_ns: i64) -> Option<Duration> {
        let period_ns = i64::try_from(self.period.as_nanos()).unwrap_or(i64::MAX);
        while times_ns.front().is_some_and(|first| now_ns.saturating_sub(*first) > period_ns) {
            times_ns.pop_front();
        }
        if times_ns.len() >= self.max_restarts {
            return None;
        }
        let doubled = u32::try_from(times_ns.len()).ok().and_then(|n| 1u32.checked_shl(n)).unwrap_or(u32::MAX);
        times_ns.push_back(now_ns);
        Some(self.backoff.saturating_mul(doubled).min(self.max_backoff))
    }
}

/// What a native actor and its owner share.
pub struct Life {
    heart: Arc<Heartbeat>,
    stopping: AtomicBool,
    restarts: AtomicU64,
}

impl Life {
    /// True when the actor has to return.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A sign of life: to be given at least every second or so.
    #[inline]
    pub fn beat(&self) {
        self.heart.beat();
    }

    /// Waits for something known, which wakes the thread when the actor is stopped too; not missed meanwhile.
    pub fn wait<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.heart.sleep(wait)
    }

    /// Sleeps for at most so long, or until the thread is unparked; not missed meanwhile.
    pub fn sleep(&self, wait: Duration) {
        self.heart.sleep(|| std::thread::park_timeout(wait));
    }
}

/// A running native actor. Dropping it stops the thread.
pub struct NativeThread {
    life: Arc<Life>,
    thread: Option<JoinHandle<()>>,
}

impl NativeThread {
    /// Starts `actor` on a thread of this name.
    pub fn spawn<A: NativeActor>(name: &str, policy: NativePolicy, actor: A) -> io::Result<NativeThread> {
        let life = Arc::new(Life {
            heart: Heartbeat::new(name),
            stopping: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
        });
        let shared = life.clone();
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || supervise(actor, policy, &shared))?;
        Ok(NativeThread { life, thread: Some(thread) })
    }

    /// Its heartbeat, for the guard; `None` when it was stopped.
    pub fn heartbeat(&self) -> Option<&Arc<Heartbeat>> {
        self.thread.is_some().then_some(&self.life.heart)
    }

    /// The thread, for whoever has to wake it.
    pub fn thread(&self) -> Option<&Thread> {
        self.thread.as_ref().map(JoinHandle::thread)
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u64 {
        self.life.restarts.load(Ordering::Relaxed)
    }

    /// Has [`Life::is_stopping`] say so, and waits for nothing: for whoever has to wake the thread in a way of its own before
    /// [`NativeThread::stop`].
    pub fn begin_stop(&self) {
        self.life.stopping.store(true, Ordering::Release);
    }

    /// Stops the thread and waits for its end.
    pub fn stop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Drop for NativeThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn supervise<A: NativeActor>(mut actor: A, policy: NativePolicy, life: &Life) {
    // Whatever the end, nobody waits for a sign of life of a thread that is no more.
    let ended = AtEnd(life);
    let mut times_ns = VecDeque::new();
    loop {
        // The actor itself judges by `recover` what a panic left of it.
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| actor.run(life))) else { return };
        let text = text_of(&*panic);
        let recovers = catch_unwind(AssertUnwindSafe(|| actor.recover(&text))).unwrap_or(false);
        let wait = if recovers { policy.next_wait(&mut times_ns, monotonic_ns()) } else { None };
        let Some(wait) = wait else {
            drop(ended);
            return actor.give_up(&text);
        };
        let restart = life.restarts.fetch_add(1, Ordering::Relaxed) + 1;
        actor.restarting(&text, restart, wait);
        let until_ns = monotonic_ns().saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX));
        // Whoever hands it work unparks the thread: that is no reason to start early.
        while !life.is_stopping() {
            let left_ns = until_ns - monotonic_ns();
            if left_ns <= 0 {
                break;
            }
            life.sleep(Duration::from_nanos(left_ns as u64));
        }
        if life.is_stopping() {
            // What it still holds is handed over by an orderly end, which `run` makes of a stop.
            let _ = catch_unwind(AssertUnwindSafe(|| actor.run(life)));
            return;
        }
    }
}

/// Marks the thread as asleep for good.
struct AtEnd<'a>(&'a Life);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.heart.end();
    }
}

/// What a panic said.
fn text_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "no text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Panics so often, then works until it is stopped; tells what happens to it.
    struct Shaky {
        panics: u64,
        recovers: bool,
        kept: u64,
        told: Sender<String>,
    }

    impl NativeActor for Shaky {
        fn run(&mut self, life: &Life) {
            let local = 0;
            self.kept += 1;
            self.told.send(format!("run {} with {local}", self.kept)).unwrap();
            assert!(self.kept > self.panics, "the {}th run is bad", self.kept);
            while !life.is_stopping() {
                life.beat();
                life.sleep(Duration::from_millis(1));
            }
            self.told.send("stopped".into()).unwrap();
        }

        fn recover(&mut self, _panic: &str) -> bool {
            self.recovers
        }

        fn restarting(&mut self, panic: &str, restart: u64, wait: Duration) {
            self.told.send(format!("restart {restart} after {wait:?}: {panic}")).unwrap();
        }

        fn give_up(self, panic: &str) {
            self.told.send(format!("given up: {panic}")).unwrap();
        }
    }

    fn shaky(panics: u64, recovers: bool, max_restarts: usize) -> (NativeThread, Receiver<String>) {
        let (told, tellings) = channel();
        let backoff = Duration::from_millis(1);
        let policy = NativePolicy { max_restarts, backoff, ..NativePolicy::default() };
        (NativeThread::spawn("shaky", policy, Shaky { panics, recovers, kept: 0, told }).unwrap(), tellings)
    }

    fn next(tellings: &Receiver<String>) -> String {
        tellings.recv_timeout(Duration::from_secs(20)).expect("told in time")
    }

    #[test]
    fn a_panic_restarts_it_in_place_and_what_it_holds_survives() {
        let (mut thread, tellings) = shaky(2, true, 3);
        assert_eq!(next(&tellings), "run 1 with 0");
        assert_eq!(next(&tellings), "restart 1 after 1ms: the 1th run is bad");
        assert_eq!(next(&tellings), "run 2 with 0");
        assert_eq!(next(&tellings), "restart 2 after 2ms: the 2th run is bad");
        assert_eq!(next(&tellings), "run 3 with 0");
        thread.stop();
        assert_eq!(next(&tellings), "stopped");
        assert_eq!(thread.restarts(), 2);
        assert!(thread.heartbeat().is_none() && thread.thread().is_none());
    }

    #[test]
    fn one_that_panics_too_often_is_given_up() {
        let (thread, tellings) = shaky(u64::MAX, true, 2);
        let all: Vec<String> = tellings.iter().collect();
        assert_eq!(all.len(), 6, "{all:?}");
        assert_eq!(all[5], "given up: the 3th run is bad");
        assert_eq!(thread.restarts(), 2);
    }

    #[test]
    fn one_that_cannot_recover_is_given_up_at_once() {
        let (_thread, tellings) = shaky(u64::MAX, false, 2);
        assert_eq!(tellings.iter().collect::<Vec<_>>(), ["run 1 with 0", "given up: the 1th run is bad"]);
    }

    #[test]
    fn a_stop_while_it_waits_to_be_started_again_ends_it_in_order() {
        let (told, tellings) = channel();
        let policy =
            NativePolicy { backoff: Duration::from_secs(3_600), max_backoff: Duration::MAX, ..NativePolicy::default() };
        let mut thread =
            NativeThread::spawn("shaky", policy, Shaky { panics: 1, recovers: true, kept: 0, told }).unwrap();
        assert_eq!(next(&tellings), "run 1 with 0");
        assert!(next(&tellings).starts_with("restart 1"));
        thread.stop();
        assert_eq!(tellings.iter().collect::<Vec<_>>(), ["run 2 with 0", "stopped"]);
    }

    #[test]
    fn the_period_forgets() {
        let policy = NativePolicy { max_restarts: 2, period: Duration::from_nanos(100), ..NativePolicy::default() };
        let mut times = VecDeque::new();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!([0, 1, 2].map(|now| policy.next_wait(&mut times, now)), [ms(100), ms(200), None]);
        assert_eq!(policy.next_wait(&mut times, 101), ms(200));
    }

    #[test]
    fn a_panic_may_say_anything() {
        assert_eq!(text_of(&Mutex::new(1)), "no text");
        assert_eq!(text_of(&"text"), "text");
    }
}

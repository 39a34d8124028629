//! The loop's own time: the wall's, but for what other threads of the process took from it.
//!
//! Threads of one interpreter take turns, so a handler may last for long only since others compute. How long it waited for
//! them nobody says; the clocks of processor time tell it well enough. From one look to the next the loop's thread has run
//! for a part of the time, and other threads of the process for another:
//!
//! - did it not run at all, it sleeps or hangs in a call: who waits for the interpreter wakes every few milliseconds to ask
//!   for it. That time is its own, whoever computes besides;
//! - what it ran is its own;
//! - what is left of the time others took, as far as they ran. Where they ran for half of that or more, they took all of it:
//!   other processes take their part from everybody. How large that part is the system tells of the loop's thread (on Linux):
//!   who ran for a tenth of the time that it was ready to run leaves others ten times what they ran.
//!
//! So a handler that naps again and again is taken for one that waits while others compute, and so is one beside native
//! threads, which need no interpreter. Nobody is ended too early by that; some are later, or never.

use std::mem::MaybeUninit;

/// The clocks of one thread.
#[derive(Clone, Copy)]
pub(super) struct ThreadClock {
    clock: Option<libc::clockid_t>,
    id: libc::pid_t,
}

/// What they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    /// How long the thread has run.
    pub(super) ran_ns: i64,
    /// How long it was ready to run, and others ran; 0 where the system does not tell.
    pub(super) waited_ns: i64,
    /// How long all threads of the process have run.
    pub(super) all_ns: i64,
}

impl ThreadClock {
    /// Of the calling thread.
    pub(super) fn of_this_thread() -> Self {
        let mut clock = 0;
        // SAFETY: the thread lives, since it calls; the call writes one number.
        let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        ThreadClock { clock: (failed == 0).then_some(clock), id: this_thread() }
    }

    /// What they say now; none once the thread has ended.
    pub(super) fn read(self) -> Option<Ran> {
        let ran_ns = read(self.clock?)?;
        let waited_ns = waited(self.id).unwrap_or(0);
        Some(Ran { ran_ns, waited_ns, all_ns: read(libc::CLOCK_PROCESS_CPUTIME_ID)? })
    }
}

/// Its number for the system; 0 where that has none.
fn this_thread() -> libc::pid_t {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes nothing and cannot fail.
    unsafe {
        libc::gettid()
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// How long a thread was ready to run and did not: the second of the numbers that Linux has of it.
fn waited(thread: libc::pid_t) -> Option<i64> {
    let told = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    told.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn read(clock: libc::clockid_t) -> Option<i64> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes the time, or says that there is no such clock.
    let time = unsafe {
        match libc::clock_gettime(clock, time.as_mut_ptr()) {
            0 => time.assume_init(),
            _ => return None,
        }
    };
    Some(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

/// Two clocks that go on at each look: see the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnTime {
    /// The loop's own time.
    pub(super) own_ns: i64,
    /// What others took.
    pub(super) taken_ns: i64,
    seen: Option<(i64, Ran)>,
}

impl OwnTime {
    /// Goes on to `now_ns`, by which the loop's thread has `ran` for so long.
    pub(super) fn look(&mut self, now_ns: i64, ran: Option<Ran>) {
        let ran = ran.unwrap_or_default();
        if let Some((seen_ns, seen)) = self.seen.replace((now_ns, ran)) {
            let passed_ns = (now_ns - seen_ns).max(0);
            let ran_ns = ran.ran_ns - seen.ran_ns;
            let others_ns = ran.all_ns - seen.all_ns - ran_ns;
            let taken_ns = taken(passed_ns, ran_ns, ran.waited_ns - seen.waited_ns, others_ns);
            self.taken_ns += taken_ns;
            self.own_ns += passed_ns - taken_ns;
        }
    }
}

/// How much of the time that passed others of its process took from a thread that ran for so long itself, and was ready to
/// run for so much longer.
fn taken(passed_ns: i64, ran_ns: i64, waited_ns: i64, others_ns: i64) -> i64 {
    let left_ns = passed_ns - ran_ns;
    if ran_ns <= 0 || left_ns <= 0 {
        return 0;
    }
    let hindered = 1.0 + waited_ns.max(0) as f64 / ran_ns as f64;
    let wanted_ns = (others_ns.max(0) as f64 * hindered) as i64;
    if wanted_ns >= left_ns / 2 { left_ns } else { wanted_ns }
}

/// Where the loop stands, and since when: tells once how long others have kept it there.
#[derive(Default)]
pub(super) struct Stand<P> {
    place: P,
    since: (i64, i64),
    told: bool,
}

impl<P: Copy + PartialEq> Stand<P> {
    /// The loop stands at `place`: once others have taken `limit_ns` of the time that it does, how long it has stood there,
    /// and how much of it they took.
    pub(super) fn look(&mut self, place: P, now_ns: i64, taken_ns: i64, limit_ns: i64) -> Option<(i64, i64)> {
        if place != self.place {
            (self.place, self.since, self.told) = (place, (now_ns, taken_ns), false);
        }
        let kept_ns = taken_ns - self.since.1;
        if self.told || limit_ns <= 0 || kept_ns < limit_ns {
            return None;
        }
        self.told = true;
        Some((now_ns - self.since.0, kept_ns))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::super::{Guard, Limits, Witness};
    use super::*;
    use crate::name::Name;
    use crate::turns::{Blocked, Turn, Turns};
    use crate::wake::Waker;

    #[derive(Debug, PartialEq, Eq)]
    enum Told {
        Blocked(Name),
        Kept(Option<Name>),
    }

    struct Hears(Sender<Told>);

    impl Witness for Hears {
        fn blocked(&self, blocked: Blocked, _: Turn, _: &Arc<Turns>) {
            let (Blocked::First(actor, _) | Blocked::Still(actor, _) | Blocked::TimedOut(actor, _)) = blocked;
            let _ = self.0.send(Told::Blocked(actor));
        }

        fn held_by_nobody(&self, _: i64) {}

        fn kept_waiting(&self, actor: Option<Name>, held_ns: i64, kept_ns: i64) {
            assert!(held_ns >= kept_ns && kept_ns >= 40_000_000, "{kept_ns} of {held_ns}");
            let _ = self.0.send(Told::Kept(actor));
        }

        fn line(&self, _: Duration) -> Option<String> {
            None
        }
    }

    /// What the guard tells first of a turn that does this, while other threads compute.
    fn told_of(does: impl Fn(&Receiver<Told>) -> Option<Told>) -> Told {
        let (tells, told) = channel();
        let limits = Limits { block_ns: 40_000_000, ..Limits::default() };
        let waker = Arc::new(Waker::new().unwrap());
        let guard = Guard::install(waker, 60_000_000_000, false, limits, Some(Arc::new(Hears(tells)))).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            // So many that they have half of a machine that other processes keep busy, too.
            for _ in 0..8 {
                threads.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        std::hint::spin_loop()
                    }
                });
            }
            guard.beat();
            guard.set_running(Name::intern("own-time"));
            let first = std::iter::repeat_with(|| does(&told)).take(100_000).flatten().next();
            is_over.store(true, Ordering::Relaxed);
            first.expect("it lasts for long enough")
        })
    }

    #[test]
    fn who_waits_while_others_compute_is_not_named_for_it_and_who_sleeps_in_a_call_is() {
        let actor = Name::intern("own-time");
        // As one that waits for the interpreter it wakes again and again.
        let waits = told_of(|told| {
            std::thread::sleep(Duration::from_micros(500));
            told.try_recv().ok()
        });
        assert_eq!(waits, Told::Kept(Some(actor)));
        assert_eq!(told_of(|told| told.recv_timeout(Duration::from_secs(20)).ok()), Told::Blocked(actor));
    }

    #[test]
    fn what_others_ran_is_not_its_own_unless_it_sleeps() {
        assert_eq!(taken(100, 0, 0, 100), 0, "it sleeps, or hangs in a call");
        assert_eq!(taken(100, 100, 0, 0), 0, "it computes");
        assert_eq!(taken(100, 1, 9, 0), 0, "it naps, and nobody runs");
        assert_eq!(taken(100, 10, 0, 90), 90, "it waits for the interpreter");
        assert_eq!(taken(100, 10, 0, 45), 90, "another process takes its part of all");
        assert_eq!(taken(100, 10, 0, 20), 20);
        assert_eq!(taken(100, 10, 10, 20), 40, "what others want, too, is taken from twice over");
        assert_eq!(taken(100, 10, 40, 10), 90, "they had a fifth of what they wanted, as it had itself");
        assert_eq!(taken(100, 60, 0, 100), 40, "no more than what is left");
    }

    #[test]
    fn the_two_clocks_make_up_the_walls() {
        let mut time = OwnTime::default();
        let looks = [(1_000, 0, 0), (1_100, 10, 100), (1_200, 110, 200), (1_300, 110, 300)];
        for (now_ns, ran_ns, all_ns) in looks {
            time.look(now_ns, Some(Ran { ran_ns, waited_ns: 0, all_ns }));
        }
        assert_eq!((time.own_ns, time.taken_ns), (10 + 100 + 100, 90));
        time.look(1_400, None);
        assert_eq!((time.own_ns, time.taken_ns), (310, 90), "a clock that cannot be read takes nothing");
    }

    #[test]
    fn where_it_is_kept_is_told_once() {
        let mut stand = Stand::default();
        assert_eq!(stand.look(1, 1_000, 500, 100), None, "what was before is not of this place");
        assert_eq!(stand.look(1, 1_200, 599, 100), None);
        assert_eq!(stand.look(1, 1_300, 650, 100), Some((300, 150)));
        assert_eq!(stand.look(1, 1_900, 900, 100), None);
        assert_eq!(stand.look(2, 2_000, 950, 100), None);
        assert_eq!(stand.look(2, 2_200, 1_050, 0), None, "without a limit nothing is told");
        assert_eq!(stand.look(2, 2_200, 1_050, 100), Some((200, 100)));
    }

    #[test]
    fn a_thread_that_computes_has_run() {
        let clock = ThreadClock::of_this_thread();
        let before = clock.read().unwrap();
        while clock.read().unwrap().ran_ns < before.ran_ns + 1_000_000 {}
        assert!(clock.read().unwrap().all_ns > before.all_ns);
        let ended = std::thread::spawn(ThreadClock::of_this_thread).join().unwrap();
        assert_eq!(ended.read(), None);
    }
    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_shares_a_core_has_waited_for_it() {
        // More than there are cores: each gets a part of one.
        let cores = std::thread::available_parallelism().unwrap().get();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            for _ in 0..4 * cores {
                threads.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        std::hint::spin_loop()
                    }
                });
            }
            let clock = ThreadClock::of_this_thread();
            let before = clock.read().unwrap();
            let waits = std::iter::repeat_with(|| clock.read().unwrap().waited_ns - before.waited_ns);
            let waited = waits.take(10_000_000).any(|waited_ns| waited_ns > 1_000_000);
            is_over.store(true, Ordering::Relaxed);
            assert!(waited);
        });
        assert_eq!(waited(0), None, "there is no such thread");
    }
}

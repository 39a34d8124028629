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
//!   other processes take their part from everybody.
//!
//! So a handler that naps again and again is taken for one that waits while others compute, and so is one beside native
//! threads, which need no interpreter. Nobody is ended too early by that; some are later, or never.

use std::mem::MaybeUninit;

/// The clock of the time that one thread has run.
#[derive(Clone, Copy)]
pub(super) struct ThreadClock(Option<libc::clockid_t>);

impl ThreadClock {
    /// Of the calling thread.
    pub(super) fn of_this_thread() -> Self {
        let mut clock = 0;
        // SAFETY: the thread lives, since it calls; the call writes one number.
        let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        ThreadClock((failed == 0).then_some(clock))
    }

    /// How long the thread has run, and all of the process; none once the thread has ended.
    pub(super) fn read(self) -> Option<(i64, i64)> {
        let ran_ns = read(self.0?)?;
        Some((ran_ns, read(libc::CLOCK_PROCESS_CPUTIME_ID)?))
    }
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
    seen: Option<(i64, i64, i64)>,
}

impl OwnTime {
    /// Goes on to `now_ns`, by which the loop's thread `ran` for so long, and all of the process.
    pub(super) fn look(&mut self, now_ns: i64, ran: Option<(i64, i64)>) {
        let (ran_ns, all_ns) = ran.unwrap_or_default();
        if let Some((seen_ns, seen_ran_ns, seen_all_ns)) = self.seen.replace((now_ns, ran_ns, all_ns)) {
            let passed_ns = (now_ns - seen_ns).max(0);
            let ran_ns = ran_ns - seen_ran_ns;
            let others_ns = all_ns - seen_all_ns - ran_ns;
            let taken_ns = taken(passed_ns, ran_ns, others_ns);
            self.taken_ns += taken_ns;
            self.own_ns += passed_ns - taken_ns;
        }
    }
}

/// How much of the time that passed others took from a thread that ran for so long itself.
fn taken(passed_ns: i64, ran_ns: i64, others_ns: i64) -> i64 {
    let left_ns = passed_ns - ran_ns;
    if ran_ns <= 0 || left_ns <= 0 {
        return 0;
    }
    if others_ns >= left_ns / 2 { left_ns } else { others_ns.max(0) }
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
        assert_eq!(taken(100, 0, 100), 0, "it sleeps, or hangs in a call");
        assert_eq!(taken(100, 100, 0), 0, "it computes");
        assert_eq!(taken(100, 1, 0), 0, "it naps, and nobody runs");
        assert_eq!(taken(100, 10, 90), 90, "it waits for the interpreter");
        assert_eq!(taken(100, 10, 45), 90, "another process takes its part of all");
        assert_eq!(taken(100, 10, 20), 20);
        assert_eq!(taken(100, 60, 100), 40, "no more than what is left");
    }

    #[test]
    fn the_two_clocks_make_up_the_walls() {
        let mut time = OwnTime::default();
        for (now_ns, ran) in [(1_000, (0, 0)), (1_100, (10, 100)), (1_200, (110, 200)), (1_300, (110, 300))] {
            time.look(now_ns, Some(ran));
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
        while clock.read().unwrap().0 < before.0 + 1_000_000 {}
        assert!(clock.read().unwrap().1 > before.1);
        let ended = std::thread::spawn(ThreadClock::of_this_thread).join().unwrap();
        assert_eq!(ended.read(), None);
    }
}

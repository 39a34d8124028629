//! What an edge's two ends share beside the rings, in the model checker. The rings themselves are `ringbuf`'s, which `loom`
//! cannot see into; a ring stands for them here that promises no more than they do.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::counters::Tally;
use super::ending::{Ending, Ring};

/// Room for one event, ever: published with `Release`, found with `Acquire`.
struct Place {
    place: UnsafeCell<u32>,
    written: AtomicUsize,
}

impl Place {
    fn new() -> Self {
        Place { place: UnsafeCell::new(0), written: AtomicUsize::new(0) }
    }

    fn push(&self, event: u32) {
        // SAFETY: the only writer, once, before it publishes.
        self.place.with_mut(|place| unsafe { *place = event });
        self.written.store(1, Ordering::Release);
    }
}

/// The consumer's end of it, which knows what it has taken.
struct End {
    ring: Arc<Place>,
    taken: bool,
}

impl Ring<u32> for End {
    fn has_event(&mut self) -> bool {
        !self.taken && self.ring.written.load(Ordering::Acquire) == 1
    }

    fn read(&mut self) -> u32 {
        self.taken = true;
        // SAFETY: published, and not written again.
        self.ring.place.with(|place| unsafe { *place })
    }

    fn count(&mut self, _: &u32) {}
}

impl End {
    fn of(ring: &Arc<Place>) -> Self {
        End { ring: ring.clone(), taken: false }
    }

    fn pop(&mut self) -> Option<u32> {
        self.has_event().then(|| self.read())
    }
}

type ModelEnding = Ending<u32, AtomicBool, Mutex<VecDeque<u32>>>;

/// Events from 10 on are market data.
fn is_urgent(event: &u32) -> bool {
    *event < 10
}

#[test]
fn a_producer_that_leaves_loses_nothing_and_keeps_its_order() {
    loom::model(|| {
        let (urgent, market) = (Arc::new(Place::new()), Arc::new(Place::new()));
        let ending = Arc::new(ModelEnding::new());
        let producer = {
            let (urgent, market, ending) = (urgent.clone(), market.clone(), ending.clone());
            thread::spawn(move || {
                market.push(10);
                urgent.push(0);
                ending.leave([1, 11].into_iter());
                ending.close();
            })
        };
        let (mut urgent, mut market) = (End::of(&urgent), End::of(&market));
        let mut next = || ending.next(&mut urgent, &mut market, is_urgent);
        // Some looks while the producer runs, the rest when it is gone.
        let mut out: Vec<u32> = (0..2).filter_map(|_| next()).collect();
        producer.join().unwrap();
        out.extend(std::iter::from_fn(&mut next));
        let of = |urgent: bool| out.iter().copied().filter(|e| is_urgent(e) == urgent).collect::<Vec<_>>();
        assert_eq!((of(true), of(false)), (vec![0, 1], vec![10, 11]), "{out:?}");
        assert!(ending.is_empty());
    });
}

#[test]
fn a_closed_edge_is_a_whole_one() {
    loom::model(|| {
        let urgent = Arc::new(Place::new());
        let ending = Arc::new(ModelEnding::new());
        let tally = Arc::new(Tally::<AtomicU64, 1>::new());
        let producer = {
            let (urgent, ending, tally) = (urgent.clone(), ending.clone(), tally.clone());
            thread::spawn(move || {
                tally.offer(0);
                urgent.push(0);
                tally.offer(0);
                ending.leave([1].into_iter());
                ending.close();
            })
        };
        if ending.is_closed() {
            assert_eq!(tally.offered(0), 2);
            assert_eq!(End::of(&urgent).pop(), Some(0), "the ring is final");
            assert!(!ending.is_empty());
        }
        producer.join().unwrap();
    });
}

#[test]
fn no_reader_finds_more_lost_or_taken_than_offered() {
    loom::model(|| {
        let urgent = Arc::new(Place::new());
        let tally = Arc::new(Tally::<AtomicU64, 1>::new());
        let producer = {
            let (urgent, tally) = (urgent.clone(), tally.clone());
            thread::spawn(move || {
                tally.offer(0);
                urgent.push(0);
                tally.offer(0);
                tally.set_lost(0, 0, 1);
                tally.offer(0);
                tally.set_lost(0, 1, 1);
            })
        };
        let popped = u64::from(End::of(&urgent).pop().is_some());
        let (dropped, conflated) = tally.lost(0);
        let offered = tally.offered(0);
        assert!(popped + dropped + conflated <= offered, "{popped} + {dropped} + {conflated} of {offered}");
        producer.join().unwrap();
    });
}

//! The protocol of [`super::parking`] in the model checker: every order in which the threads may run, and every value that
//! a relaxed read may give.
//!
//! `loom` knows no `membarrier`, so there are two models. The fallback is what it is: a `SeqCst` fence on each side. The
//! asymmetric fence is modelled after its documentation: a producer has no fence of its own, but passes one at a place that
//! it does not choose (before its event, between the event and its look, after it), not before the consumer has called
//! and not after the call has returned. Each place of each producer is a model of its own.

use std::sync::atomic::Ordering;

use loom::sync::atomic::{AtomicBool, fence};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::parking::{Ground, Parking};

const PLACES: usize = 3;

/// A machine whose fences are what a test says.
struct Model {
    readable: AtomicBool,
    kind: Kind,
    call: Mutex<Call>,
    changed: Condvar,
}

#[derive(Default)]
struct Call {
    /// The consumer is inside the heavy fence.
    made: bool,
    /// Producers that have passed the fence that it asked for.
    passed: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Symmetric,
    /// With so many producers.
    Membarrier(usize),
    /// The system call fails.
    Refused,
    /// As it would be without any fence on the producer's side: the tests must find it wrong.
    Nothing,
}

impl Ground for Model {
    type Flag = AtomicBool;

    fn light_fence(&self) {
        if self.kind == Kind::Symmetric {
            fence(Ordering::SeqCst);
        }
    }

    fn heavy_fence(&self) -> bool {
        fence(Ordering::SeqCst);
        if let Kind::Membarrier(producers) = self.kind {
            let mut call = self.call.lock().unwrap();
            call.made = true;
            self.changed.notify_all();
            while call.passed != producers {
                call = self.changed.wait(call).unwrap();
            }
            drop(call);
            fence(Ordering::SeqCst);
        }
        self.kind != Kind::Refused
    }

    // The operating system puts the calls on a descriptor into one order, as swaps of one atomic are.
    fn write(&self) {
        self.readable.swap(true, Ordering::AcqRel);
    }

    fn clear(&self) {
        self.readable.swap(false, Ordering::AcqRel);
    }
}

impl Model {
    fn new(kind: Kind) -> Self {
        Model { readable: AtomicBool::new(false), kind, call: Mutex::new(Call::default()), changed: Condvar::new() }
    }

    /// The kernel interrupts a producer here, because the consumer has called.
    fn interrupt(&self, place: Option<usize>, here: usize) {
        if place == Some(here) {
            let mut call = self.call.lock().unwrap();
            while !call.made {
                call = self.changed.wait(call).unwrap();
            }
            fence(Ordering::SeqCst);
            call.passed += 1;
            self.changed.notify_all();
        }
    }
}

/// A loop that parks once while producers bring an event each: if it sleeps, everything was taken or it will be woken.
fn no_wake_up_is_lost(kind: Kind, places: &[Option<usize>]) {
    let places: Vec<Option<usize>> = places.to_vec();
    let mut model = loom::model::Builder::new();
    // Three threads have too many orders to try all: up to two forced switches find what is known to be findable.
    model.preemption_bound =
        (places.len() > 1).then_some(if std::env::var("LIBRA_LONG").is_ok_and(|v| v == "1") { 3 } else { 2 });
    model.check(move || {
        let parking = Arc::new(Parking::new(Model::new(kind)));
        let queues: Vec<Arc<AtomicBool>> = places.iter().map(|_| Arc::new(AtomicBool::new(false))).collect();
        let producers: Vec<_> = (places.iter().zip(&queues))
            .map(|(&place, queue)| {
                let (parking, queue) = (parking.clone(), queue.clone());
                thread::spawn(move || {
                    parking.ground.interrupt(place, 0);
                    // As weak as a ring's publication of an event.
                    queue.store(true, Ordering::Release);
                    parking.ground.interrupt(place, 1);
                    parking.notify();
                    parking.ground.interrupt(place, 2);
                })
            })
            .collect();
        let sleeps = parking.park(|| queues.iter().all(|queue| !queue.load(Ordering::Acquire)));
        let found = sleeps && queues.iter().any(|queue| queue.load(Ordering::Relaxed));
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        // Every producer brought something after the last look, or the loop is awake.
        assert!(!sleeps || parking.ground.readable.load(Ordering::SeqCst), "asleep with work, found {found}");
    });
}

#[test]
fn full_fences_lose_no_wake_up() {
    no_wake_up_is_lost(Kind::Symmetric, &[None]);
    no_wake_up_is_lost(Kind::Symmetric, &[None, None]);
}

#[test]
fn membarrier_loses_no_wake_up() {
    for first in 0..PLACES {
        no_wake_up_is_lost(Kind::Membarrier(1), &[Some(first)]);
    }
}

#[test]
fn membarrier_loses_no_wake_up_of_two_producers() {
    for first in 0..PLACES {
        for second in first..PLACES {
            no_wake_up_is_lost(Kind::Membarrier(2), &[Some(first), Some(second)]);
        }
    }
}

#[test]
fn a_refused_fence_keeps_the_loop_awake() {
    no_wake_up_is_lost(Kind::Refused, &[None]);
}

#[test]
#[should_panic(expected = "asleep with work")]
fn without_a_fence_the_model_finds_the_lost_wake_up() {
    no_wake_up_is_lost(Kind::Nothing, &[None]);
}

/// A signal at any moment of a turn and of the way to sleep: either the turn saw what it stands for, or the loop is not
/// left asleep with a descriptor that says nothing.
#[test]
fn no_signal_is_lost() {
    loom::model(|| {
        let parking = Arc::new(Parking::new(Model::new(Kind::Symmetric)));
        let stop = Arc::new(AtomicBool::new(false));
        let sender = {
            let (parking, stop) = (parking.clone(), stop.clone());
            thread::spawn(move || {
                stop.store(true, Ordering::Relaxed);
                parking.signal();
            })
        };
        parking.unpark();
        let seen = stop.load(Ordering::Relaxed);
        let sleeps = !seen && parking.park(|| true);
        sender.join().unwrap();
        assert!(seen || !sleeps || parking.ground.readable.load(Ordering::SeqCst), "asleep with a stop");
    });
}

//! What a node remembers of an event costs no allocation: not while the ring fills, and not when it is full.

mod counting;

use libra_kernel::recent::{Note, Recorder, Step, outlet};
use libra_kernel::{Event, EventType, Name, Payload};

#[test]
fn a_note_costs_no_allocation() {
    let (to, _from) = outlet(64);
    let mut recorder = Recorder::new(1_000, 1.0, Some(to));
    let (source, actor) = (Name::intern("test"), Name::intern("actor"));
    let signal = Event::new(EventType::Signal, source, 1, Payload::Empty);
    let sent = [Note::new(Step::Sent, &signal, 1, 1, 1); 3];
    let before = counting::allocations();
    for _ in 0..1_500 {
        let mut quote = Event::new(EventType::Quote, source, 1, Payload::Empty);
        recorder.published(&mut quote);
        recorder.received(&signal);
        recorder.handled(Step::Handled, &signal, 1, actor, 1);
        recorder.sent(&sent);
    }
    assert_eq!(counting::allocations(), before);
    assert_eq!(recorder.overwritten(), 6 * 1_500 - 1_000);
}

//! Nodes with two actors, one of which may stand still: whom a node waits for before it says that something is applied. Their
//! router is the real one.

use libra_kernel::mailbox::Capacity;
use libra_kernel::router::{Delivery, RemoteOrigin, Router};
use libra_kernel::{Event, EventType, Name, Payload};
use libra_net::ids::Position;

use super::{Done, MS, World};

/// How long a sender waits for an acknowledgement that moves.
pub const STALE_AFTER: u64 = 2_000 * MS;
/// And how long a node for one of its actors.
const LONGEST: u64 = STALE_AFTER / 4;

/// The actors, by their mailboxes: all that comes is for the first, every third event for the second too.
const STEADY: usize = 0;
const SLOW: usize = 1;

/// A node's actors, as its channel of one publisher sees them.
pub struct Actors {
    router: Router,
    /// The second one does nothing.
    pub stands_still: bool,
    places: Vec<RemoteOrigin>,
    /// What each has handled.
    handled: [u64; 2],
}

impl Actors {
    pub fn new() -> Actors {
        let mut router = Router::new();
        for (id, event_type) in [(STEADY, EventType::OrderFilled), (SLOW, EventType::OrderFilled)] {
            assert_eq!(router.add_mailbox(Capacity::PerLane(1 << 20)), id);
            let instrument = if id == SLOW { Name::intern("third") } else { Name::NONE };
            router.subscribe(id, event_type, instrument);
        }
        Actors { router, stands_still: false, places: Vec::new(), handled: [0; 2] }
    }

    /// An event comes in, and whoever gets on handles it.
    fn take(&mut self, epoch: u64, seq: u64) -> Result<(), String> {
        let mut event = Event::new(EventType::OrderFilled, Name::intern("pub"), 1, Payload::Empty);
        event.instrument = Name::intern(if seq.is_multiple_of(3) { "third" } else { "other" });
        match self.router.deliver_remote(event, Some(RemoteOrigin { channel: 0, epoch, seq })) {
            Delivery::Taken => Ok(()),
            _ => Err(format!("{epoch}-{seq} is not taken in")),
        }
    }

    fn work(&mut self) {
        for id in [STEADY, SLOW] {
            while !(id == SLOW && self.stands_still)
                && let Some(event) = self.router.mailbox(id).pop()
            {
                self.router.handled(id, event.lane(), event.sequence);
                self.handled[id] += 1;
            }
        }
    }

    /// The last place below which nothing is waited for, where that is news.
    fn applied(&mut self) -> Option<Position> {
        self.places.clear();
        self.router.take_applied(&mut self.places);
        self.places.last().map(|place| Position::new(place.epoch, place.seq))
    }
}

impl World {
    /// Events are handed to the actors of a node.
    pub(super) fn act(&mut self, at: usize, epoch: u64, first: u64, last: u64) -> Done {
        let Some(actors) = &mut self.members[at].actors else { return Ok(()) };
        (first..=last).try_for_each(|seq| actors.take(epoch, seq))?;
        actors.work();
        self.say_applied(at)
    }

    pub(super) fn say_applied(&mut self, at: usize) -> Done {
        let member = &mut self.members[at];
        if let Some(place) = member.actors.as_mut().and_then(Actors::applied) {
            member.receiver.applied(self.now, place, &mut self.deliveries);
        }
        self.deliver(at)
    }

    /// The loops come round.
    pub(super) fn come_round(&mut self) -> Done {
        for at in 0..self.members.len() {
            let now = self.now;
            let Some(actors) = &mut self.members[at].actors else { continue };
            for excused in actors.router.excuse_held(now, LONGEST) {
                if excused.mailbox != SLOW || !actors.stands_still {
                    return Err(format!("actor {} gets on, and is excused", excused.mailbox));
                }
                *self.cover.entry("an actor excused").or_default() += 1;
            }
            self.say_applied(at)?;
        }
        Ok(())
    }

    /// An actor stands still from now on, or goes on.
    pub(super) fn toggle_actor(&mut self) -> Done {
        let at = self.rng.usize(0..self.members.len());
        let Some(actors) = &mut self.members[at].actors else { return Ok(()) };
        actors.stands_still = !actors.stands_still;
        if !actors.stands_still && actors.router.excused().count() > 0 {
            *self.cover.entry("an actor that was excused goes on").or_default() += 1;
        }
        self.get_on(at)
    }

    /// What waits for those who get on is handled.
    fn get_on(&mut self, at: usize) -> Done {
        if let Some(actors) = &mut self.members[at].actors {
            actors.work();
        }
        self.say_applied(at)
    }

    /// Everybody goes on; each has had what was its own.
    pub fn all_go_on(&mut self) -> Done {
        for at in 0..self.members.len() {
            if let Some(actors) = &mut self.members[at].actors {
                actors.stands_still = false;
            }
            self.get_on(at)?;
        }
        Ok(())
    }

    /// Every event was handled by all who wanted it, and nothing is at risk any more.
    pub fn check_actors(&self) -> Done {
        for (at, member) in self.members.iter().enumerate() {
            let Some(actors) = &member.actors else { continue };
            let all = self.sources[member.name].events.keys();
            let expected = [all.clone().count() as u64, all.filter(|place| place.seq.is_multiple_of(3)).count() as u64];
            if actors.handled != expected || actors.router.excused().count() > 0 || actors.router.unapplied() > 0 {
                return Err(format!("member {at}: {:?} were handled of {expected:?}", actors.handled));
            }
        }
        match self.cover.get("a group given up") {
            Some(times) => Err(format!("groups were given up {times} times, and each of their nodes got on")),
            None => Ok(()),
        }
    }
}

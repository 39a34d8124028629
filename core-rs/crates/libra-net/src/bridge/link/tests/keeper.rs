//! What a node has the server keep, as calls.

use std::collections::VecDeque;
use std::io::Read;

use super::super::calls::{Calls, Pending};
use super::super::keeper::{Keeper, kept_of};
use super::*;
use crate::frame::FrameReader;
use crate::resp::{Commands, Inbox, Limits, Reply};

struct Server {
    commands: Commands,
    pending: VecDeque<Pending>,
}

impl Server {
    /// The calls that are made, and how many of them name the channel of ORDERS.
    fn execute(&mut self, keeper: &mut Keeper) -> (Vec<Pending>, usize) {
        self.commands = Commands::new();
        keeper.execute(&mut Calls { commands: &mut self.commands, pending: &mut self.pending });
        let written = String::from_utf8_lossy(self.commands.unsent()).into_owned();
        (self.pending.drain(..).collect(), written.matches("\r\nlibra:tests:ORDERS:all\r\n").count())
    }
}

fn numbered(event_type: EventType, sequence: u64) -> Event {
    Event { sequence, ..event(event_type) }
}

#[test]
fn the_newest_is_written_once_and_all_of_it_again_where_the_server_may_have_lost_it() {
    let mut server = Server { commands: Commands::new(), pending: VecDeque::new() };
    let mut keeper = Keeper::new(&settings(), 7).unwrap();
    keeper.connected();
    assert_eq!(server.execute(&mut keeper), (vec![Pending::Adopt], 0), "what does the server have of earlier lives?");
    keeper.keep(numbered(EventType::BalanceUpdated, 1));
    assert!(server.execute(&mut keeper).0.is_empty(), "that is answered first");
    keeper.adopt(Reply::Null, &mut FrameReader::new());
    assert!(server.execute(&mut keeper).0.is_empty(), "it was not: it is asked again in a while");
    keeper.retry();
    assert_eq!(server.execute(&mut keeper).0, [Pending::Adopt, Pending::Keep]);
    keeper.written(Reply::Int(0));
    assert!(!keeper.is_settled());
}

#[test]
fn what_was_refused_is_written_again_and_published_where_accounts_have_it() {
    let mut server = Server { commands: Commands::new(), pending: VecDeque::new() };
    let mut keeper = Keeper::new(&settings(), 7).unwrap();
    let mut inbox = Inbox::new(Limits::default());
    let mut from = &b"%0\r\n"[..];
    inbox.fill(|room| from.read(room)).unwrap();
    keeper.adopt(inbox.next_reply().unwrap().expect("a whole reply"), &mut FrameReader::new());
    for sequence in [1, 2, 5, 4] {
        keeper.keep(numbered(EventType::PositionUpdated, sequence));
    }
    keeper.keep(numbered(EventType::ActorState, 3));
    keeper.keep(numbered(EventType::BalanceUpdated, 6));
    let three = vec![Pending::Keep; 3];
    assert_eq!(server.execute(&mut keeper), (three.clone(), 0), "the durable channel says it");
    (0..2).for_each(|_| keeper.written(Reply::Int(0)));
    keeper.written(Reply::Error(b"OOM command not allowed"));
    assert_eq!(server.execute(&mut keeper).0, []);
    keeper.retry();
    assert_eq!(server.execute(&mut keeper), (three, 2), "not those of MARKET_DATA");
    (0..3).for_each(|_| keeper.written(Reply::Int(-1)));
    assert!(keeper.is_settled());
    assert_eq!(keeper.values().count(), 3);
    keeper.keep(numbered(EventType::PositionUpdated, 7));
    assert_eq!(server.execute(&mut keeper), (vec![Pending::Keep], 0));
}

#[test]
fn a_position_is_kept_as_the_fact_that_opened_or_closed_it_says() {
    let mut keeper = Keeper::new(&settings(), 7).unwrap();
    for (event_type, sequence) in [
        (EventType::PositionOpened, 1),
        (EventType::OrderFilled, 2),
        (EventType::PositionUpdated, 3),
        (EventType::PositionClosed, 4),
    ] {
        kept_of(&numbered(event_type, sequence)).into_iter().for_each(|event| keeper.keep(event));
        let kept: Vec<_> = keeper.values().map(|event| (event.event_type, event.sequence)).collect();
        let newest = if sequence == 2 { 1 } else { sequence };
        assert_eq!(kept, [(EventType::PositionUpdated, newest)]);
    }
}

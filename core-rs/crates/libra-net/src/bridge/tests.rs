//! Two routers joined by the loopback: what crosses, what is refused, and what nobody pays for.

use libra_kernel::Payload;
use libra_kernel::event::Quote;
use libra_kernel::mailbox::Capacity;
use libra_kernel::router::{Delivery, Router};

use super::loopback::Loopback;
use super::mail::{Mail, MailKind};
use super::*;
use libra_kernel::{Encoded, Event, EventType, Lane, Name};

/// A node: a router with one mailbox, and its side of the bridge.
struct Node {
    router: Router,
    inbound: Inbound,
    shared: Arc<Shared>,
}

impl Node {
    fn new(side: NodeSide, subscribed: &[EventType], room: usize) -> Self {
        let mut router = Router::new();
        let id = router.add_mailbox(Capacity::PerLane(room));
        subscribed.iter().for_each(|event_type| router.subscribe(id, *event_type, Name::NONE));
        router.set_remote(Box::new(side.outbound));
        Node { router, inbound: side.inbound, shared: side.shared }
    }

    fn take_in(&mut self) -> usize {
        let router = &mut self.router;
        let urgent =
            self.inbound.receive_urgent(256, |Arrival { event, origin }| match router.deliver_remote(event, origin) {
                Delivery::NoRoom(event) => Some(Arrival { event, origin }),
                Delivery::Taken | Delivery::Ignored => None,
            });
        urgent + self.inbound.receive_market(256, |event| drop(router.deliver_remote(event, None)))
    }

    fn handle(&mut self) -> Option<Event> {
        let event = self.router.mailbox(0).pop()?;
        self.router.handled(0, event.lane(), event.sequence);
        let mut places = Vec::new();
        self.router.take_applied(&mut places);
        self.shared.put_applied(&places);
        Some(event)
    }
}

fn settings(node: &str, credits: usize) -> SeamSettings {
    SeamSettings { credits, market: 8, arrivals: 4, ..SeamSettings::new(node) }
}

/// Two nodes, the second of which subscribed.
fn pair(credits: usize, subscribed: &[EventType], room: usize) -> (Node, Node, Loopback) {
    pair_of(&settings("a", credits), subscribed, room)
}

fn pair_of(a: &SeamSettings, subscribed: &[EventType], room: usize) -> (Node, Node, Loopback) {
    let wakers = [Arc::new(Waker::new().unwrap()), Arc::new(Waker::new().unwrap())];
    let ([a, b], mut loopback) = Loopback::new([a, &settings("b", a.credits)], wakers).unwrap();
    let nodes = (Node::new(a, &[], 99), Node::new(b, subscribed, room));
    loopback.turn();
    (nodes.0, nodes.1, loopback)
}

fn event(event_type: EventType, instrument: &str) -> Event {
    let mut event = Event::new(event_type, Name::intern("test"), 5, Payload::Empty);
    event.instrument = Name::intern(instrument);
    event
}

/// One that somebody publishes.
fn event_of(source: &str, event_type: EventType) -> Event {
    Event { source: Name::intern(source), ..event(event_type, "x") }
}

const FOUR: [&str; 4] = ["one", "two", "three", "four"];

#[test]
fn an_event_crosses_as_it_is_and_does_not_come_back() {
    let (mut a, mut b, mut loopback) = pair(16, &[EventType::OrderFilled, EventType::Quote], 99);
    let mut filled = event(EventType::OrderFilled, "x");
    filled.parent_span_id = 9;
    let sent = filled.clone();
    a.router.publish(event(EventType::Bar, "x"));
    a.router.publish(filled);
    a.router.publish(event(EventType::Quote, "x"));
    loopback.turn();
    assert_eq!(b.take_in(), 2);
    let came = b.handle().expect("the fill goes first");
    assert_eq!((came.trace_id, came.span_id, came.parent_span_id), (sent.trace_id, sent.span_id, 9));
    assert_eq!((came.source, came.ts_ns, came.event_type, came.sequence), (sent.source, 5, sent.event_type, 1));
    assert_eq!(b.handle().map(|event| event.event_type), Some(EventType::Quote));
    loopback.turn();
    assert_eq!((loopback.turn(), a.take_in(), loopback.unapplied()), (0, 0, [0, 0]));
    let market = a.shared.counts(Lane::MarketData);
    assert_eq!((market.sent, market.unwanted), (1, 1));
}

#[test]
fn what_stays_in_its_process_is_offered_to_nobody() {
    let (mut a, _, _) = pair(16, &[EventType::Quote], 99);
    a.router.publish(event(EventType::DeadLetter, ""));
    let market = a.shared.counts(Lane::MarketData);
    assert_eq!((market.sent, market.unwanted), (0, 0), "a node with dead letters has no market data");
}

#[test]
fn commands_are_refused_without_credit_and_facts_are_not() {
    let (mut a, mut b, mut loopback) = pair(4, &[EventType::OrderRequest, EventType::OrderFilled], 99);
    for source in FOUR {
        assert!(a.router.publish(event_of(source, EventType::OrderRequest)));
    }
    assert!(!a.router.publish(event(EventType::OrderRequest, "x")));
    assert!((0..20).all(|_| a.router.publish(event(EventType::OrderFilled, "x"))));
    assert_eq!(a.shared.counts(Lane::Orders).refused, 1);
    let mut seen = Vec::new();
    while seen.len() < 24 {
        loopback.turn();
        assert!(a.router.flush_remote() || a.shared.is_overflowing.load(std::sync::atomic::Ordering::Relaxed));
        b.take_in();
        seen.extend(std::iter::from_fn(|| b.handle()).map(|event| event.event_type));
    }
    assert!(seen[..4].iter().all(|event_type| *event_type == EventType::OrderRequest), "in the order of publication");
    loopback.turn();
    assert_eq!((a.shared.credits.in_use(), loopback.unapplied()), (0, [0, 0]));
    assert!(a.router.publish(event(EventType::OrderRequest, "x")));
}

fn cancel(account: &str) -> Event {
    let [account, strategy] = [account, "s"].map(Name::intern);
    let client_order_id = libra_trading::order::ClientOrderId(7);
    let cancel = libra_trading::order::CancelRequest { account, strategy, client_order_id };
    Event::new(EventType::CancelRequest, strategy, 5, Payload::shared(cancel))
}

#[test]
fn one_that_asks_without_end_leaves_the_others_of_its_node_room_and_all_of_it_crosses() {
    let wanted = [EventType::OrderRequest, EventType::CancelRequest, EventType::StrategyStopped];
    let (mut a, mut b, mut loopback) = pair(100, &wanted, 99);
    let storm = |a: &mut Node, event_type| {
        (0..1_000).filter(|_| a.router.publish(event_of("storm", event_type))).count() as u64
    };
    for round in 0..3 {
        // Nothing leaves meanwhile, as without a server.
        assert_eq!(storm(&mut a, EventType::OrderRequest), 20, "round {round}: a fifth");
        assert_eq!(storm(&mut a, EventType::CancelRequest), 18, "a cancel finds 112 and their half");
        let quiet = [EventType::OrderRequest, EventType::CancelRequest];
        assert!((0..6).all(|_| quiet.iter().all(|asked| a.router.publish(event_of("quiet", *asked)))), "{round}");
        assert!(a.router.publish(event_of("storm", EventType::StrategyStopped)), "what its node says of it");
        let (mut asked, mut said) = ([0; 2], 0);
        while a.shared.credits.in_use() > 0 {
            loopback.turn();
            a.router.flush_remote();
            b.take_in();
            while let Some(event) = b.handle() {
                match event.event_type {
                    EventType::StrategyStopped => said += 1,
                    _ => asked[usize::from(event.source.as_str() == "quiet")] += 1,
                }
            }
        }
        assert_eq!((asked, said), ([38, 12], 1));
    }
    let refused = 3 * (2_000 - 38);
    assert_eq!(a.shared.counts(Lane::Orders).refused, refused);
    assert_eq!(a.router.stats().refused[Lane::Orders as usize], refused);
}

#[test]
fn a_command_of_an_account_of_this_process_needs_no_room_elsewhere() {
    let (mut a, mut b, mut loopback) = pair(4, &[EventType::OrderFilled, EventType::CancelRequest], 99);
    a.shared.own_accounts.add(Name::intern("mine"));
    assert!(a.router.publish(cancel("mine")), "there is room, so others can look at it");
    loopback.turn();
    assert_eq!((b.take_in(), a.shared.credits.in_use()), (1, 1));
    assert!((0..20).all(|_| a.router.publish(event(EventType::OrderFilled, "x"))));
    assert!(!a.router.publish(cancel("theirs")));
    assert!(a.router.publish(cancel("mine")), "it is carried out here, and stays");
    assert_eq!(a.shared.credits.in_use(), 21);
    a.shared.close();
    assert!(!a.router.publish(cancel("theirs")) && a.router.publish(cancel("mine")), "nor does a fence hold it up");
    assert_eq!((a.shared.counts(Lane::Orders).sent, a.shared.counts(Lane::Orders).refused), (21, 2));
}

#[test]
fn a_signal_for_accounts_of_this_process_needs_no_room_elsewhere_unless_others_have_some() {
    for (elsewhere, has_account, is_taken) in [(false, true, true), (true, true, false), (false, false, false)] {
        let settings = SeamSettings { accounts_elsewhere: elsewhere, ..settings("a", 4) };
        let (mut a, mut b, mut loopback) = pair_of(&settings, &[EventType::Signal], 99);
        if has_account {
            a.shared.own_accounts.add(Name::intern("mine"));
        }
        assert!(
            FOUR.iter().all(|source| a.router.publish(event_of(source, EventType::Signal))),
            "there is room, so others get it"
        );
        assert_eq!(a.router.publish(event(EventType::Signal, "x")), is_taken, "{elsewhere} {has_account}");
        let signals = a.shared.counts(Lane::Signals);
        assert_eq!((signals.sent, signals.refused), (4, u64::from(!is_taken)));
        assert_eq!(signals.unwanted, u64::from(is_taken), "it stays, and is counted");
        loopback.turn();
        assert_eq!(b.take_in(), 4);
    }
}

#[test]
fn what_nobody_could_answer_is_refused_and_facts_and_what_is_asked_of_accounts_here_are_not() {
    let wanted = [EventType::OrderRequest, EventType::CancelRequest, EventType::OrderFilled, EventType::Signal];
    let (mut a, _, _) = pair(16, &wanted, 99);
    a.shared.own_accounts.add(Name::intern("mine"));
    a.shared.set_alone(Lane::Orders, true);
    for event_type in [EventType::OrderRequest, EventType::CancelRequest] {
        assert!(!a.router.publish(event(event_type, "x")), "{event_type:?}");
    }
    assert!(a.router.publish(event(EventType::OrderFilled, "x")) && a.router.publish(cancel("mine")));
    assert!(a.router.publish(event(EventType::Signal, "x")), "another lane");
    assert_eq!(a.shared.counts(Lane::Orders).refused, 2);
    a.shared.set_alone(Lane::Signals, true);
    assert!(!a.router.publish(event(EventType::Signal, "x")));
    a.shared.set_alone(Lane::Orders, false);
    assert!(a.router.publish(event(EventType::OrderRequest, "x")), "somebody is back");
}

#[test]
fn a_command_that_could_never_be_sent_is_refused_when_it_is_published() {
    let (mut a, _, _) = pair(4, &[EventType::Signal], 99);
    let of = |length: usize| {
        let mut event = event(EventType::Signal, "x");
        event.payload = Payload::shared(Encoded::new("plain", vec![0; length]));
        event
    };
    assert!(!a.router.publish(of(crate::frame::LONGEST_FRAME)), "it would be lost on its way");
    assert_eq!(a.shared.counts(Lane::Signals).refused, 1);
    assert!(a.router.publish(of(1 << 20)));
}

#[test]
fn credit_comes_back_when_the_handler_has_ended_and_not_before() {
    let (mut a, mut b, mut loopback) = pair(1, &[EventType::Signal], 99);
    assert!(a.router.publish(event(EventType::Signal, "x")));
    loopback.turn();
    b.take_in();
    loopback.turn();
    assert!(!a.router.publish(event(EventType::Signal, "x")), "it waits for its handler");
    b.handle();
    loopback.turn();
    assert!(a.router.publish(event(EventType::Signal, "x")));
}

#[test]
fn a_command_without_room_there_waits_and_holds_up_no_other_lane() {
    let (mut a, mut b, mut loopback) = pair(64, &[EventType::Signal, EventType::CircuitBreaker], 1);
    assert!((0..12).all(|_| a.router.publish(event(EventType::Signal, "x"))));
    a.router.publish(event(EventType::CircuitBreaker, ""));
    loopback.turn();
    b.take_in();
    assert_eq!(b.inbound.stuck(), 1);
    assert!(b.inbound.is_idle(), "its actor wakes the loop");
    assert_eq!(b.handle().map(|event| event.event_type), Some(EventType::CircuitBreaker));
    let mut signals = 0;
    for _ in 0..40 {
        signals += u64::from(b.handle().is_some());
        b.take_in();
        loopback.turn();
    }
    assert_eq!((signals, b.router.stats().refused[Lane::Signals as usize]), (12, 0));
    assert_eq!(loopback.unapplied(), [0, 0]);
}

#[test]
fn market_data_of_a_stalled_loop_is_conflated_and_counted() {
    let (mut a, mut b, mut loopback) = pair(4, &[EventType::Quote], 999);
    for bid in 0..100 {
        let mut quote = event(EventType::Quote, "x");
        quote.payload = Payload::Quote(Quote { bid, ..Quote::default() });
        assert!(a.router.publish(quote));
        loopback.turn();
    }
    loop {
        let moved = b.take_in() + loopback.turn();
        if a.router.flush_remote() && moved == 0 {
            break;
        }
    }
    let quotes: Vec<i64> = std::iter::from_fn(|| b.handle())
        .map(|event| match event.payload {
            Payload::Quote(quote) => quote.bid,
            _ => -1,
        })
        .collect();
    let (sent, came) = (a.shared.counts(Lane::MarketData), b.shared.counts(Lane::MarketData));
    assert_eq!(quotes.last(), Some(&99), "the latest is there");
    assert!(came.conflated_in > 0);
    let lost = sent.dropped + sent.conflated + came.dropped_in + came.conflated_in;
    assert_eq!((sent.sent, quotes.len() as u64 + lost, came.arrived), (100, 100, quotes.len() as u64));
}

#[test]
fn a_shard_that_nobody_wants_stays() {
    let (mut a, _b, _loopback) = pair(4, &[], 9);
    let names: Vec<Name> = (0..64).map(|n| Name::intern(&format!("I{n}"))).collect();
    let shard_of = |name: &Name| a.shared.wanted.shard(EventType::Trade, *name);
    let wanted = shard_of(&names[0]);
    let expected = names.iter().filter(|name| shard_of(name) == wanted).count() as u64;
    assert!(expected < 64, "eight shards");
    a.shared.wanted.set(EventType::Trade, 1 << wanted);
    assert!(names.iter().all(|name| a.router.publish(event(EventType::Trade, name.as_str()))));
    let counts = a.shared.counts(Lane::MarketData);
    assert_eq!((counts.sent, counts.unwanted), (expected, 64 - expected));
    a.shared.wanted.set(EventType::OrderApproved, u64::MAX);
    assert_eq!(a.shared.wanted.shards_of(EventType::OrderApproved), 0, "an approval stays in its process");
}

#[test]
fn mail_goes_to_nodes_that_are_known() {
    let (mut a, mut b, mut loopback) = pair(4, &[], 9);
    let mail = |to| Mail { kind: MailKind::Tell, id: 0, to, from: "a/x", tag: "plain", body: b"hi" };
    let letter = |to| Event::new(EventType::Message, Name::NONE, 0, Payload::shared(mail(to).encode().unwrap()));
    assert!(a.shared.wants(&letter("b/y")) && !a.shared.wants(&letter("c/y")));
    assert!(a.router.post(letter("b/y")));
    loopback.turn();
    let mut came = Vec::new();
    b.inbound.receive_urgent(9, |arrival| {
        came.push(arrival.event);
        None
    });
    assert_eq!(came.iter().filter_map(Mail::of).map(|mail| mail.body.to_vec()).collect::<Vec<_>>(), [b"hi"]);
}

#[test]
fn the_thread_moves_what_comes_and_sleeps_between() {
    let wakers = [Arc::new(Waker::new().unwrap()), Arc::new(Waker::new().unwrap())];
    let ([a, b], loopback) = Loopback::new([&settings("a", 1_000), &settings("b", 1_000)], wakers.clone()).unwrap();
    let (mut a, mut b) = (Node::new(a, &[], 9), Node::new(b, &[EventType::OrderFilled, EventType::Signal], 9_999));
    let thread = loopback.spawn().unwrap();
    while a.shared.wanted.shards_of(EventType::OrderFilled) == 0 {
        std::thread::yield_now();
    }
    let (mut published, mut handled) = (0u64, 0u64);
    while handled < 20_000 {
        for _ in 0..(20_000 - published).min(50) {
            published += u64::from(a.router.publish(event(EventType::Signal, "x")));
        }
        a.router.flush_remote();
        b.take_in();
        while b.handle().is_some() {
            handled += 1;
        }
    }
    while thread.unapplied() != [0, 0] || a.shared.credits.in_use() != 0 {
        std::thread::yield_now();
    }
    assert_eq!((handled, a.shared.counts(Lane::Signals).sent), (published, published));
    assert!(thread.stop().is_some());
}

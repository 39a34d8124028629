//! What is asked of accounts elsewhere has an end, once.

use libra_kernel::{Lane, Name, Payload};
use libra_trading::desk::payload::Notice as Told;
use libra_trading::gate::client_order_id;
use libra_trading::order::{
    CancelRequest, ClientOrderId, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce,
};
use libra_trading::signal::{Signal, SignalType};

use super::super::calls::Pending;
use super::super::outgoing::{Notice, Outgoing};
use super::outgoing::{ORDERS, Server, answer, channel, open};
use super::*;
use crate::bridge::SeamSettings;
use crate::bridge::Shared;
use crate::ids::Position;

const STALE: u64 = 30_000_000_000;

pub(super) fn id(number: u128) -> ClientOrderId {
    client_order_id(Name::intern("theirs"), number)
}

pub(super) fn asked_for(account: &str, number: u128) -> OrderRequest {
    let [account, strategy, instrument] = [account, "s", "X"].map(Name::intern);
    OrderRequest {
        request_id: number,
        signal_id: 0,
        account,
        strategy,
        instrument,
        side: OrderSide::Buy,
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Ioc,
        size: 1,
        price: 0,
        deadline_ns: 0,
        ts_origin_ns: 0,
    }
}

fn request(account: &str, number: u128) -> Event {
    let request = asked_for(account, number);
    let (strategy, instrument) = (request.strategy, request.instrument);
    let mut event = Event::new(EventType::OrderRequest, strategy, 5, Payload::shared(request));
    event.instrument = instrument;
    event
}

/// What an account says of an order.
pub(super) fn accepted(number: u128) -> Event {
    let request = asked_for("theirs", number);
    let order = Order {
        client_order_id: id(number),
        venue_order_id: String::new(),
        request,
        status: OrderStatus::Accepted,
        filled: 0,
        filled_notional: 0,
        fees: 0,
        reason: String::new(),
        detail: String::new(),
        last_fill: None,
        ts_ns: 5,
    };
    Event::new(EventType::OrderAccepted, Name::intern("account"), 5, Payload::shared(order))
}

fn cancel(number: u128) -> Event {
    let [account, strategy] = ["theirs", "s"].map(Name::intern);
    let cancel = CancelRequest { account, strategy, client_order_id: id(number) };
    Event::new(EventType::CancelRequest, strategy, 5, Payload::shared(cancel))
}

fn signal() -> Event {
    let [strategy, instrument] = ["s", "X"].map(Name::intern);
    let (signal_type, reason) = (SignalType::Long, String::new());
    let signal = Signal { id: 77, strategy, instrument, signal_type, strength: 1.0, price: 0, deadline_ns: 0, reason };
    Event::new(EventType::Signal, strategy, 5, Payload::shared(signal))
}

/// Sends what there is, and the server takes it.
fn send(server: &mut Server, channel: &mut Outgoing, events: impl IntoIterator<Item = Event>) {
    events.into_iter().for_each(|event| channel.take(event, 3));
    channel.send(3);
    for pending in server.execute(channel) {
        if matches!(pending, Pending::Append(_)) {
            answer(channel, pending, ":1\r\n");
        }
    }
}

/// The ids of the requests that come back.
fn back(channel: &mut Outgoing) -> Vec<ClientOrderId> {
    let mut ids = Vec::new();
    for event in channel.settle() {
        let Payload::Shared(shared) = &event.payload else { panic!("an order") };
        let order = shared.as_any().downcast_ref::<Order>().expect("an order");
        assert_eq!((event.event_type, order.status), (EventType::OrderRejected, OrderStatus::Rejected));
        assert_eq!((order.reason.as_str(), order.request.strategy), ("UNCONFIRMED", Name::intern("s")));
        assert!(order.detail.contains("open"), "it is not said that nothing left: {}", order.detail);
        ids.push(order.client_order_id);
    }
    ids
}

fn of_accounts(nodes: &[&str]) -> LinkSettings {
    let usual = LinkSettings::new("tests", "pub", &["con", "other"], crate::resp::Endpoint::unix("/nowhere")).unwrap();
    LinkSettings { accounts: Some(nodes.iter().map(ToString::to_string).collect()), ..usual }
}

#[test]
fn what_nobody_acknowledged_comes_back_once_when_its_node_is_given_up_and_what_was_acknowledged_does_not() {
    let (settings, mut server) = (of_accounts(&["con"]), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    send(&mut server, &mut channel, (1..=4).map(|number| request("theirs", number)));
    send(&mut server, &mut channel, [request("theirs", 5)]);
    // The account's node has two; the other node has all, and can answer none.
    channel.acknowledged(4, 0, Position::new(7, 2));
    channel.acknowledged(4, 1, Position::new(7, 5));
    assert_eq!((back(&mut channel), channel.is_alone), (vec![], false));
    channel.tick(4 + STALE);
    server.execute(&mut channel);
    assert_eq!(back(&mut channel), [id(3), id(4), id(5)]);
    assert!(channel.is_alone && channel.notices.contains(&Notice::Alone { events: 3 }), "{:?}", channel.notices);
    assert_eq!((back(&mut channel), channel.asked.returned), (vec![], 3), "once");
    // What was accepted a moment before comes back too, and nothing more when the node is there again.
    send(&mut server, &mut channel, [request("theirs", 6)]);
    assert_eq!(back(&mut channel), [id(6)]);
    channel.acknowledged(5 + STALE, 0, Position::new(7, 6));
    assert_eq!((back(&mut channel), channel.is_alone), (vec![], false));
}

#[test]
fn of_what_was_asked_in_an_outage_only_what_facts_pushed_out_comes_back() {
    let (settings, mut server) = (LinkSettings { outbox_events: 8, ..of_accounts(&["con"]) }, Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    for number in 1..=5 {
        send(&mut server, &mut channel, [request("theirs", number)]);
    }
    channel.acknowledged(4, 0, Position::new(7, 1));
    channel.disconnected(5);
    for _ in 0..6 {
        channel.take(event(EventType::OrderFilled), 6);
        channel.send(6);
        channel.execute("run", None);
    }
    // Six facts and two of five requests; the first is acknowledged by the account's node, though not by the other.
    assert_eq!((back(&mut channel), channel.is_alone), (vec![id(2), id(3)], false));
    let cut_off = ["other", "con"].map(|node| Notice::CutOff(node.into()));
    assert!(cut_off.iter().all(|notice| channel.notices.contains(notice)), "{:?}", channel.notices);
    channel.connected();
    server.execute(&mut channel);
    answer(&mut channel, Pending::Open(ORDERS), "*3\r\n:5\r\n$3\r\n7-0\r\n*0\r\n");
    channel.acknowledged(8, 0, Position::new(7, 11));
    assert_eq!((back(&mut channel), channel.asked.is_empty(), channel.asked.returned), (vec![], true, 2));
}

#[test]
fn what_the_account_has_told_of_is_the_accounts_to_end() {
    let (settings, mut server) = (of_accounts(&["con"]), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    send(&mut server, &mut channel, (1..=3).map(|number| request("theirs", number)));
    channel.asked.told_of(id(2));
    channel.asked.told_of(id(9));
    channel.tick(9 + STALE);
    server.execute(&mut channel);
    assert_eq!(back(&mut channel), [id(1), id(3)]);
}

#[test]
fn what_waits_for_room_comes_back_once_it_has_left_and_was_not_acknowledged() {
    let (settings, mut server) = (LinkSettings { outbox_events: 8, ..of_accounts(&["con"]) }, Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    send(&mut server, &mut channel, (1..=7).map(|number| request("theirs", number)));
    send(&mut server, &mut channel, (8..=9).map(|number| request("theirs", number)));
    assert!(channel.gathers(), "there is no room for all of them");
    // A fact passes them, and has a number that is none of theirs.
    send(&mut server, &mut channel, [event(EventType::OrderFilled)]);
    channel.tick(9 + STALE);
    server.execute(&mut channel);
    let mut ended = back(&mut channel);
    for _ in 0..4 {
        send(&mut server, &mut channel, []);
        channel.tick(4 + 2 * STALE);
        server.execute(&mut channel);
        ended.extend(back(&mut channel));
    }
    assert_eq!(ended, (1..=9).map(id).collect::<Vec<_>>());
}

#[test]
fn cancels_and_signals_come_back_as_what_is_refused_of_them() {
    let (settings, mut server) = (of_accounts(&["con"]), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    let mut of_signal_asked = signal();
    of_signal_asked.instrument = Name::intern("X");
    send(&mut server, &mut channel, [cancel(4), of_signal_asked.clone(), event(EventType::OrderFilled)]);
    channel.tick(9 + STALE);
    server.execute(&mut channel);
    let told = channel.settle();
    let words = |event: &Event| {
        let Payload::Shared(shared) = &event.payload else { panic!("a notice") };
        let told = shared.as_any().downcast_ref::<Told>().expect("a notice");
        assert_eq!(told.strategy, Name::intern("s"), "whoever asked finds it by its name");
        (event.event_type, told.code.clone(), told.detail.clone())
    };
    let [(of_cancel, order, why), (of_signal, code, which)] = [words(&told[0]), words(&told[1])];
    assert_eq!((told.len(), of_cancel, order), (2, EventType::OrderCancelRejected, id(4).to_string()));
    assert!(why.starts_with("UNCONFIRMED: "), "{why}");
    assert_eq!((of_signal, code.as_str()), (EventType::OrderRequestRejected, "UNCONFIRMED"));
    assert!(which.starts_with("a signal for X: "), "as an account says it: {which}");
    assert!(which.ends_with(" (signal 0000000000000000000000000000004d)"), "{which}");
    assert_eq!((told[1].instrument, told[1].trace_id), (Name::intern("X"), of_signal_asked.trace_id));
}

#[test]
fn what_cannot_leave_at_all_comes_back_with_the_reason() {
    let (settings, mut server) = (of_accounts(&["con"]), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    channel.heard_of(9);
    send(&mut server, &mut channel, [request("theirs", 1)]);
    let told = channel.settle();
    let Payload::Shared(shared) = &told[0].payload else { panic!("an order") };
    let order = shared.as_any().downcast_ref::<Order>().expect("an order");
    assert_eq!((told.len(), order.client_order_id), (1, id(1)));
    assert!(order.detail.contains("later epoch"), "{}", order.detail);
}

#[test]
fn what_an_account_of_this_node_is_asked_waits_for_nobody() {
    let (settings, mut server) = (of_accounts(&["con"]), Server::new());
    let mut channel = channel(&settings);
    let waker = || std::sync::Arc::new(libra_kernel::wake::Waker::new().unwrap());
    let shared = std::sync::Arc::new(Shared::new(&SeamSettings::new("pub"), waker(), waker()));
    shared.own_accounts.add(Name::intern("mine"));
    channel.asked.know(shared.clone());
    open(&mut server, &mut channel);
    send(&mut server, &mut channel, [request("mine", 1), request("theirs", 2)]);
    channel.tick(9 + STALE);
    server.execute(&mut channel);
    assert_eq!(back(&mut channel), [id(2)]);
    assert!(!shared.is_alone(Lane::Orders));
    shared.set_alone(Lane::Orders, true);
    assert!(shared.is_alone(Lane::Orders) && !shared.is_alone(Lane::Signals));
}

#[test]
fn a_link_joins_no_topology_with_accounts_in_two_nodes_since_it_does_not_know_which_has_which() {
    let waker = || std::sync::Arc::new(libra_kernel::wake::Waker::new().unwrap());
    let made = |nodes: &[&str]| {
        let made = super::super::Link::new(of_accounts(nodes), &SeamSettings::new("pub"), waker());
        made.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(made(&["con"]), Ok(()));
    assert_eq!(made(&[]), Ok(()));
    let refused = made(&["con", "other"]).unwrap_err();
    assert!(refused.starts_with("accounts in 2 nodes (con, other): "), "{refused}");
}

#[test]
fn a_node_with_accounts_and_one_of_unknown_topology_are_alone_only_where_nobody_can_answer() {
    let usual = of_accounts(&["con"]);
    let alone = |accounts: Option<&[&str]>| {
        let accounts = accounts.map(|nodes| nodes.iter().map(ToString::to_string).collect());
        let (settings, mut server) = (LinkSettings { accounts, ..usual.clone() }, Server::new());
        let mut channel = channel(&settings);
        open(&mut server, &mut channel);
        send(&mut server, &mut channel, [request("theirs", 1)]);
        channel.acknowledged(4, 1, Position::new(7, 1));
        channel.tick(9 + STALE);
        server.execute(&mut channel);
        (back(&mut channel).len(), channel.is_alone)
    };
    assert_eq!(alone(Some(&["con"])), (1, true));
    assert_eq!(alone(Some(&["con", "pub"])), (0, false), "it has accounts itself");
    assert_eq!(alone(None), (0, false), "the other node may have it");
    assert_eq!(alone(Some(&["elsewhere"])), (1, true), "there is none");
}

//! Orders that are over take little memory and stay what they were; late and doubled messages find them all the same.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::gate::history::{Booked, Entries, Fills, ReadFills};
use crate::gate::packed::{pack, status, unpack};
use crate::gate::state::Entry;
use crate::order::{Fill, Order, OrderStatus};
use crate::risk::RiskCode;

fn money_of() -> impl Strategy<Value = Money> {
    prop_oneof![Just(0), any::<i128>(), -1_000_000_000_000..1_000_000_000_000i128, Just(i128::MIN), Just(i128::MAX)]
}

fn unit() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), any::<i64>(), -100..100_000i64, Just(i64::MIN), Just(i64::MAX), T0..T0 + SECOND]
}

fn a_name() -> impl Strategy<Value = Name> {
    (0..300u32).prop_map(|number| name(&format!("history-{number}")))
}

prop_compose! {
    fn requests()(
        ids in any::<(u128, u128)>(), has_signal in any::<bool>(), names in [a_name(), a_name(), a_name()],
        ways in (0..2u8, 0..2u8, 0..4u8), size in unit(), price in unit(), times in [unit(), unit()],
    ) -> OrderRequest {
        OrderRequest {
            request_id: ids.0,
            signal_id: if has_signal { ids.1 } else { 0 },
            account: names[0],
            strategy: names[1],
            instrument: names[2],
            side: [OrderSide::Buy, OrderSide::Sell][usize::from(ways.0)],
            order_type: [OrderType::Market, OrderType::Limit][usize::from(ways.1)],
            time_in_force: [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::PostOnly][usize::from(ways.2)],
            size,
            price,
            deadline_ns: times[0],
            ts_origin_ns: times[1],
        }
    }
}

prop_compose! {
    fn fills()(trade_id in any::<u64>(), units in [unit(), unit(), unit()], fee in money_of(), fee_currency in a_name(), maker in any::<bool>()) -> Fill {
        Fill {
            client_order_id: ClientOrderId(0),
            trade_id,
            instrument: Name::NONE,
            strategy: Name::NONE,
            side: OrderSide::Buy,
            price: units[0],
            size: units[1],
            fee,
            fee_currency,
            liquidity: if maker { Liquidity::Maker } else { Liquidity::Taker },
            ts_venue_ns: units[2],
        }
    }
}

/// The fill as one of the order's.
fn of(order: &Order, fill: Fill) -> Fill {
    let OrderRequest { instrument, strategy, side, .. } = order.request;
    Fill { client_order_id: order.client_order_id, instrument, strategy, side, ..fill }
}

prop_compose! {
    fn entries()(
        request in requests(), status in 0..8usize, texts in ["\\PC{0,40}", "\\PC{0,9}", "\\PC{0,300}"], amounts in [money_of(), money_of(), money_of()],
        units in [unit(), unit(), unit(), unit(), unit()], last in proptest::option::of(fills()), ordinal in any::<u64>(),
        rejection in proptest::option::of(["\\PC{0,9}", "\\PC{0,9}", "\\PC{0,99}"]), slot in proptest::option::of(0..1_000usize),
        not_found_ns in proptest::option::of(unit()), cancel_pending in any::<bool>(),
    ) -> Entry {
        let [venue_order_id, reason, detail] = texts;
        let mut order = Order {
            client_order_id: super::super::client_order_id(name("main"), request.request_id),
            venue_order_id,
            request,
            status: OrderStatus::ALL[status],
            filled: units[0],
            filled_notional: amounts[0],
            fees: amounts[1],
            reason,
            detail,
            last_fill: None,
            ts_ns: units[1],
        };
        order.last_fill = last.map(|fill| of(&order, fill));
        let rejection = rejection.map(|[limit, value, detail]| {
            Box::new(Rejection { code: RiskCode::PositionLimit, limit, value, detail })
        });
        Entry {
            order: Arc::new(order),
            ordinal,
            rejection,
            instrument: slot,
            hold_price: units[2],
            open_size: units[3],
            held: amounts[2],
            window_end_ns: units[4],
            not_found_ns,
            cancel_pending,
            cancel_asked_ns: crate::gate::state::NEVER_NS,
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_left_out(entry in entries()) {
        let bytes = pack(&entry);
        prop_assert_eq!(status(&bytes), (entry.order.status, entry.rejection.is_some()));
        prop_assert_eq!(unpack(name("main"), &bytes), entry);
    }

    #[test]
    fn executions_come_back_as_they_were(
        orders in proptest::collection::vec(entries(), 1..8),
        made in proptest::collection::vec((any::<prop::sample::Index>(), fills()), 0..200),
        from in any::<prop::sample::Index>(),
    ) {
        let (mut all, mut booked, mut plain) = (Entries::default(), Booked::default(), Vec::new());
        all.set_account(name("main"));
        for entry in &orders {
            all.push(entry.clone());
        }
        for (which, fill) in made {
            let index = which.index(orders.len());
            let fill = of(&orders[index].order, fill);
            booked.push(index, &fill);
            plain.push(fill);
        }
        let seen = Fills { booked: &booked, entries: &all };
        prop_assert_eq!(seen.iter().collect::<Vec<_>>(), plain.clone());
        let from = from.index(plain.len() + 1);
        prop_assert_eq!(seen.since(from).collect::<Vec<_>>(), &plain[from..]);
        prop_assert_eq!((seen.len(), seen.since(plain.len() + 5).count()), (plain.len(), 0));
        let mut read = ReadFills::default();
        let one_by_one: Vec<_> = std::iter::from_fn(|| read.next(&seen)).collect();
        prop_assert_eq!((one_by_one, read.count(), read.next(&seen)), (plain.clone(), plain.len(), None));
    }
}

#[test]
fn what_is_said_of_an_old_order_is_told_apart_as_of_a_new_one() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let keep_whole = file.config(RiskLimits::default()).keep_whole;
    let accepted = |id| VenueReport { venue_order_id: "venue-1".into(), ..report(id, VenueOutcome::Accepted) };
    let first = place(&mut gate, T0, &buy(1, 10)).unwrap();
    gate.on_report(T0, &accepted(first)).unwrap();
    gate.on_report(T0, &filled(first, 7, PRICE, 4)).unwrap();
    gate.on_report(T0, &report(first, VenueOutcome::Cancelled { reason: "REQUESTED".into() })).unwrap();
    let fresh = gate.order(first).unwrap();
    let many = keep_whole as u128 + 10;
    for id in 0..many {
        let id = place(&mut gate, T0, &sell(1_000 + id, 2)).unwrap();
        gate.on_report(T0, &filled(id, 1, PRICE, 2)).unwrap();
    }
    assert!(gate.state.entries.whole(0).is_none(), "it is packed");
    assert!(gate.state.entries.whole(keep_whole).is_some(), "of the last ones none is");
    assert_eq!(gate.order(first).unwrap(), fresh, "and what it was");
    let last = gate.last_orders(3);
    assert_eq!(last, gate.orders().collect::<Vec<_>>()[many as usize - 2..], "the last three of all");

    let (digest, before) = (gate.state_digest(), gate.stats());
    assert_eq!(gate.reserve(T0, &buy(1, 10)).unwrap_err().code, RiskCode::DuplicateRequest);
    assert_eq!(gate.reserve(T0, &buy(1, 11)).unwrap_err().code, RiskCode::RequestConflict);
    assert_eq!(gate.cancel(T0, first).unwrap_err().code, RiskCode::OrderFinal);
    assert!(gate.mark_submitted(T0, first).unwrap().is_empty());
    for said in [
        filled(first, 7, PRICE, 4),
        report(first, VenueOutcome::Cancelled { reason: "again".into() }),
        accepted(first),
        report(first, VenueOutcome::Expired),
        report(first, VenueOutcome::NotFound),
    ] {
        assert!(gate.on_report(T0, &said).unwrap().is_empty(), "{said:?}");
    }
    let stats = gate.stats();
    assert_eq!((stats.duplicates - before.duplicates, stats.late - before.late), (2, 3));
    assert_eq!(gate.state_digest(), digest, "nothing of it changed anything");
    assert!(gate.state.entries.whole(0).is_none(), "nor unpacked it for good");

    // An execution that comes years late is booked: the venue is the truth.
    assert!(!gate.on_report(T0, &filled(first, 8, PRICE, 6)).unwrap().is_empty());
    let order = gate.order(first).unwrap();
    assert_eq!((order.filled, order.status, order.venue_order_id.as_str()), (10, OrderStatus::Cancelled, "venue-1"));
    assert!(gate.on_report(T0, &filled(first, 8, PRICE, 6)).unwrap().is_empty());
    assert_eq!(gate.fills().iter().last().unwrap().client_order_id, first);
    assert_eq!(gate.open_orders().count(), 0);

    let digest = gate.state_digest();
    drop(gate);
    assert_eq!(file.open(RiskLimits::default(), T0).0.state_digest(), digest);
}

#[test]
fn the_last_orders_have_the_refused_among_them_in_the_order_of_the_log() {
    let limits = RiskLimits { max_open_orders: Some(2), ..RiskLimits::default() };
    let (mut gate, _) = Gate::open(GateConfig { keep_whole: 0, ..config(limits) }, T0).unwrap();
    quote(&mut gate, T0);
    let refuse = |gate: &mut Gate, id| assert!(place(gate, T0, &limit(id, OrderSide::Buy, 10, 1)).is_err());
    trade(&mut gate, &buy(1, 10), PRICE);
    refuse(&mut gate, 2);
    trade(&mut gate, &sell(3, 10), PRICE);
    refuse(&mut gate, 4);
    refuse(&mut gate, 5);
    let ids = |orders: Vec<Arc<Order>>| orders.iter().map(|order| order.request.request_id).collect::<Vec<_>>();
    for count in 0..7 {
        assert_eq!(ids(gate.last_orders(count)), (6 - count.min(5) as u128..6).collect::<Vec<_>>(), "the last {count}");
    }
    assert!(gate.state.entries.whole(0).is_none(), "one of them is packed");
    let counts: Vec<_> = gate.order_counts().into_iter().collect();
    assert_eq!(counts, [(OrderStatus::Filled, 2), (OrderStatus::Rejected, 3)], "and counted as what they are");
}

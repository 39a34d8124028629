//! What is refused, and that nothing comes of it.

use libra_trading::instrument::{ContractKind, InstrumentError};

use super::*;

#[test]
fn a_refused_input_does_nothing() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    let max = 1_000_000;
    for (order, error) in [
        (limit(1, B, Buy, 1_000, 5), MatchError::DuplicateId(OrderId(1))),
        (limit(2, B, Buy, 1_001, 5), MatchError::Price(1_001)),
        (limit(2, B, Buy, 0, 5), MatchError::Price(0)),
        (limit(2, B, Buy, 1_000, 0), MatchError::Quantity(0)),
        (limit(2, B, Buy, 1_000, max + 1), MatchError::Quantity(max + 1)),
        (stop(limit(2, B, Buy, 1_000, 5), -10), MatchError::Price(-10)),
        (limit(2, AccountId(1 << 20), Buy, 1_000, 5), MatchError::Account(1 << 20)),
        (NewOrder { expires_ns: Some(2), ..limit(2, B, Buy, 1_000, 5) }, MatchError::Expiry(2)),
        (NewOrder::market(OrderId(2), B, Buy, Amount::Quote(0)), MatchError::QuoteAmount(0)),
    ] {
        assert_eq!(exchange.submit(order), Err(error));
        assert_eq!((exchange.out.len(), exchange.engine.open_orders(), exchange.engine.sequence()), (0, 1, 2));
    }
    let back = exchange.try_do(|engine, _, out| engine.advance(1, out));
    assert_eq!(back, Err(MatchError::TimeWentBack { from_ns: 10, to_ns: 1 }));
    assert_eq!(back.unwrap_err().to_string(), "time went back from 10 to 1");
    assert_eq!(exchange.submit(stop(market(2, B, Buy, 1), 1_000)), Ok(()), "no price is known that reaches it");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let mut spot = Market::spot();
    let mut linear = Market::new();
    let quote = NewOrder::market(OrderId(1), A, Buy, Amount::Quote(1));
    let by_mark = NewOrder {
        trigger: Some(Trigger { price: 1_000, by: TriggerBy::Mark, condition: Condition::Stop }),
        ..market(1, A, Buy, 5)
    };
    assert!(matches!(linear.submit(quote), Err(MatchError::Combination(_))));
    for order in
        [NewOrder { price: Some(1_000), ..quote }, stop(quote, 1_000), reducing(limit(1, A, Sell, 1_000, 5)), by_mark]
    {
        assert!(matches!(spot.submit(order), Err(MatchError::Combination(_))), "{order:?}");
    }
    for order in [
        within(TimeInForce::Gtc, market(1, A, Buy, 5)),
        within(TimeInForce::Fok, market(1, A, Buy, 5)),
        NewOrder { expires_ns: Some(1_000), ..within(TimeInForce::Ioc, limit(1, A, Buy, 1_000, 5)) },
    ] {
        assert!(matches!(linear.submit(order), Err(MatchError::Combination(_))), "{order:?}");
    }
    assert!(matches!(spot.mark(1_000), Err(MatchError::Combination(_))));
    assert_eq!(linear.mark(0), Err(MatchError::Price(0)));
}

#[test]
fn what_an_engine_holds_has_limits() {
    let limits = Limits { accounts: 2, open_orders: 2, reserve: 9 };
    let instrument = Instrument { max_size: i64::MAX, ..contract("BTC", "sim") };
    let mut engine = Engine::new(&instrument, limits).unwrap();
    let mut out = Vec::new();
    let mut submit = |order: NewOrder| engine.submit(&order, 0, &mut out);
    submit(limit(1, A, Sell, 1_000, i64::MAX - 1)).unwrap();
    assert_eq!(submit(limit(2, A, Sell, 1_000, 2)), Err(MatchError::Volume));
    submit(limit(2, A, Sell, 1_000, 1)).unwrap();
    assert_eq!(submit(limit(3, A, Sell, 1_000, 1)), Err(MatchError::TooManyOrders));
    assert_eq!(submit(market(3, B, Buy, 1)), Ok(()), "what does not stay has room");
    assert_eq!(engine.set_position(AccountId(2), 0, 0, &mut out), Err(MatchError::Account(2)));
    assert_eq!((engine.now_ns(), engine.last_trade_id()), (0, 1));
}

#[test]
fn what_cannot_be_matched_has_no_engine() {
    let new = |instrument: Instrument| Engine::new(&instrument, Limits::default()).map(|_| ()).unwrap_err();
    let inverse = Instrument { kind: ContractKind::Inverse, ..contract("BTC", "sim") };
    assert_eq!(new(inverse.clone()), MatchError::Untradable(inverse.id));
    assert!(matches!(new(Instrument { tradable: false, ..contract("BTC", "sim") }), MatchError::Untradable(_)));
    let huge = Instrument { contract_size: i64::MAX, ..contract("BTC", "sim") };
    assert!(matches!(new(huge), MatchError::Untradable(_)));
    let none = Instrument { lot_size: 0, ..contract("BTC", "sim") };
    assert!(matches!(new(none), MatchError::Instrument(InstrumentError::NotPositive { .. })));
}

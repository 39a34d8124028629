//! Booking against exact sums: nothing is lost to rounding, whatever the order of fills.

use libra_kernel::Name;
use proptest::prelude::*;

use super::*;
use crate::instrument::tests::btc;
use crate::order::{ClientOrderId, Liquidity};

fn spot() -> Instrument {
    Instrument { id: Name::intern("BTC/USDT@binance"), kind: ContractKind::Spot, ..btc() }
}

fn fill(instrument: &Instrument, side: OrderSide, price: i64, size: i64, fee: Money) -> Fill {
    Fill {
        client_order_id: ClientOrderId(1),
        trade_id: 1,
        instrument: instrument.id,
        strategy: Name::NONE,
        side,
        price,
        size,
        fee,
        fee_currency: instrument.quote,
        liquidity: Liquidity::Taker,
        ts_venue_ns: 0,
    }
}

fn account(instrument: &Instrument) -> Account {
    let mut account = Account::new();
    account.set_opening(instrument.quote, 1_000 * pow10(MONEY_DECIMALS)).unwrap();
    account.set_instrument(instrument.clone()).unwrap();
    account
}

fn units(thousandths: i64) -> Money {
    Money::from(thousandths) * pow10(MONEY_DECIMALS - 3)
}

#[test]
fn open_grow_shrink_reverse_close() {
    let btc = btc();
    let mut account = account(&btc);
    let mut book = |side, price, size| account.book(&fill(&btc, side, price, size, 0)).unwrap().changes;
    let of = |changes: Vec<(PositionChange, Position)>| {
        changes.into_iter().map(|(change, p)| (change, p.size, p.cost, p.realised)).collect::<Vec<_>>()
    };
    use OrderSide::{Buy, Sell};
    use PositionChange::{Closed, Opened, Updated};
    assert_eq!(of(book(Buy, 10_000, 10)), [(Opened, 10, units(1_000), 0)]); // 0.010 at 100
    assert_eq!(of(book(Buy, 20_000, 10)), [(Updated, 20, units(3_000), 0)]); // and at 200
    assert_eq!(of(book(Sell, 16_000, 5)), [(Updated, 15, units(2_250), units(50))]); // average 150
    assert_eq!(of(book(Sell, 16_000, 20)), [(Closed, 0, 0, units(200)), (Opened, -5, units(-800), units(200))]);
    assert_eq!(of(book(Buy, 10_000, 5)), [(Closed, 0, 0, units(500))]);
}

#[test]
fn an_entry_price_is_rounded_to_the_instruments_prices_once() {
    let btc = Instrument { contract_size: 10, contract_decimals: 1, ..btc() };
    let mut account = account(&btc);
    let entry = |account: &Account| account.position(btc.id).unwrap().entry_price(&btc);
    account.book(&fill(&btc, OrderSide::Buy, 10_000, 2, 0)).unwrap();
    account.book(&fill(&btc, OrderSide::Buy, 10_001, 1, 0)).unwrap();
    assert_eq!(entry(&account), Some(10_000), "100.00333");
    account.book(&fill(&btc, OrderSide::Buy, 10_001, 1, 0)).unwrap();
    assert_eq!(entry(&account), Some(10_001), "100.005");
    account.book(&fill(&btc, OrderSide::Sell, 10_005, 7, 0)).unwrap();
    assert_eq!(entry(&account), Some(10_005), "of a short it is above zero, too");
    account.book(&fill(&btc, OrderSide::Buy, 10_000, 3, 0)).unwrap();
    assert_eq!(entry(&account), None, "a flat one has none");
}

#[test]
fn a_residue_goes_to_the_closing_trade() {
    let btc = Instrument { price_decimals: 9, ..btc() };
    let mut account = account(&btc);
    account.book(&fill(&btc, OrderSide::Buy, 1, 1, 0)).unwrap();
    account.book(&fill(&btc, OrderSide::Buy, 2, 2, 0)).unwrap(); // cost 5 units for 3
    let realised = |account: &Account| account.position(btc.id).unwrap().realised;
    account.book(&fill(&btc, OrderSide::Sell, 2, 1, 0)).unwrap();
    assert_eq!(realised(&account), 1, "2 - 5/3 rounded toward zero");
    account.book(&fill(&btc, OrderSide::Sell, 2, 1, 0)).unwrap();
    account.book(&fill(&btc, OrderSide::Sell, 2, 1, 0)).unwrap();
    let position = account.position(btc.id).unwrap();
    assert_eq!((position.realised, position.cost, position.size), (1, 0, 0), "6 - 5");
}

#[test]
fn spot_moves_base_and_quote() {
    let spot = spot();
    let mut account = account(&spot);
    let fee = units(1);
    account.book(&fill(&spot, OrderSide::Buy, 10_000, 2_000, fee)).unwrap(); // 2 at 100
    let total = |account: &Account, currency: &str| account.balance(Name::intern(currency)).unwrap().total;
    assert_eq!((total(&account, "BTC"), total(&account, "USDT")), (units(2_000), units(799_999)));
    account.mark(0, 11_000, 11_010);
    assert_eq!(account.equity(spot.quote), Some(units(1_019_999)));
    account.book(&fill(&spot, OrderSide::Sell, 11_000, 2_000, fee)).unwrap();
    assert_eq!((total(&account, "BTC"), total(&account, "USDT")), (0, units(1_019_998)));
    assert_eq!(account.equity(spot.quote), Some(units(1_019_998)));
}

#[test]
fn a_fee_in_another_currency_stands_in_its_balance_only() {
    let btc = btc();
    let mut account = account(&btc);
    let bnb = Name::intern("BNB");
    account.book(&Fill { fee_currency: bnb, ..fill(&btc, OrderSide::Buy, 100, 1, units(5)) }).unwrap();
    assert_eq!(account.balance(bnb).unwrap().total, units(-5));
    assert_eq!(account.position(btc.id).unwrap().fees, 0);
    assert_eq!(account.balance(btc.settle).unwrap().fees, 0);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let btc = btc();
    let mut account = account(&btc);
    account.book(&fill(&btc, OrderSide::Buy, 100, i64::MAX, 0)).unwrap();
    let before = account.clone();
    let refused = [
        fill(&btc, OrderSide::Buy, 100, 1, 0),
        fill(&btc, OrderSide::Sell, i64::MAX, i64::MAX, 0),
        fill(&btc, OrderSide::Sell, 100, 1, Money::MIN),
    ];
    for fill in refused {
        assert_eq!(account.book(&fill), Err(BookingError::Overflow));
        assert_eq!(account.position(btc.id), before.position(btc.id));
        assert_eq!(account.balances(), before.balances());
    }
    let unknown = Instrument { id: Name::intern("NOPE"), ..btc };
    assert_eq!(account.book(&fill(&unknown, OrderSide::Buy, 1, 1, 0)), Err(BookingError::UnknownInstrument));
}

#[test]
fn days_and_drawdowns() {
    let mut balance = Balance::new(Name::intern("USDT"));
    balance.open(units(1_000)).unwrap();
    balance.unrealised = units(-25);
    assert_eq!((balance.drawdown_bps(), balance.day_pnl()), (Some(250), Some(units(-25))));
    balance.unrealised = units(25);
    assert_eq!(balance.drawdown_bps(), Some(0));
    assert_eq!(balance::utc_day(-1), -1);
    assert_eq!(balance::utc_day(balance::DAY_NS), 1);
}

proptest! {
    #[test]
    fn money_adds_up_to_the_last_unit(
        trades in proptest::collection::vec((any::<bool>(), 1i64..20_000_000, 1i64..5_000, -1_000i64..1_000), 1..60),
        is_spot in any::<bool>(),
    ) {
        let instrument = if is_spot { spot() } else { btc() };
        let mut account = account(&instrument);
        let (mut signed, mut size, mut fees) = (0 as Money, 0i64, 0 as Money);
        for (is_buy, price, quantity, fee) in trades {
            let side = if is_buy { OrderSide::Buy } else { OrderSide::Sell };
            let fee = Money::from(fee) * 10_000;
            let before = *account.position(instrument.id).unwrap();
            account.book(&fill(&instrument, side, price, quantity, fee)).unwrap();
            let notional = instrument.notional(price, quantity).unwrap();
            signed += Money::from(side.sign()) * notional;
            size += side.sign() * quantity;
            fees += fee;

            let position = *account.position(instrument.id).unwrap();
            prop_assert_eq!(position.size, size);
            prop_assert_eq!(position.cost - position.realised, signed, "basis and P&L hold every notional");
            if size == 0 {
                prop_assert_eq!((position.cost, position.realised), (0, -signed), "flat: sells minus buys");
            }
            // A partial close takes its share of the cost, at most one unit of money short of the exact fraction.
            if before.size != 0 && before.size.signum() == size.signum() && size.abs() < before.size.abs() {
                // Compared as fractions over the size before: kept / 1 against cost x size / size before.
                let whole = i128::from(before.size);
                let (kept, share) = (position.cost * whole, before.cost * i128::from(size));
                prop_assert!((kept - share).abs() < whole.abs());
                prop_assert!(kept.abs() >= share.abs(), "the residue stays in the basis");
            }

            account.mark(0, price, price);
            let balance = *account.balance(instrument.settle).unwrap();
            prop_assert_eq!(balance.fees, fees);
            let equity = balance.opening - fees - signed + instrument.notional(price, size).unwrap();
            prop_assert_eq!(balance.equity(), Some(equity));
            if is_spot {
                prop_assert_eq!(balance.total, balance.opening - signed - fees);
                let base = account.balance(instrument.base).unwrap().total;
                prop_assert_eq!(Some(base), base_amount(&instrument, size));
            } else {
                prop_assert_eq!(balance.total, balance.opening + position.realised - fees);
            }
        }
    }
}

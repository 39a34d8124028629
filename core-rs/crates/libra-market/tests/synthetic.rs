//! The synthetic market keeps its promises: it repeats, its parts agree, and it is lively enough for a demo.

use std::collections::{BTreeMap, HashMap};

use libra_kernel::digest::Digest;
use libra_kernel::event::{Aggressor, Quote};
use libra_kernel::{Event, EventType, Name, Payload, ids};
use libra_market::book::{BookOutcome, BookUpdate, L2Book};
use libra_market::indicator::Sma;
use libra_market::listing::Listing;
use libra_market::source::Source;
use libra_market::synthetic::{SyntheticConfig, SyntheticInstrument, SyntheticMarket};
use libra_market::venue::VenueKind;

const START_NS: i64 = 1_700_000_000_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

fn btc() -> SyntheticInstrument {
    let listing = Listing::new("BTC/USDT", VenueKind::Synthetic, "BTCUSDT", 2, 5);
    SyntheticInstrument::new(listing, 6_000_000, 10, 10)
}

fn eth() -> SyntheticInstrument {
    let listing = Listing::new("ETH/USDT", VenueKind::Synthetic, "ETHUSDT", 2, 4);
    SyntheticInstrument::new(listing, 300_000, 1, 10)
}

fn config(seed: u64, instruments: Vec<SyntheticInstrument>) -> SyntheticConfig {
    SyntheticConfig { source: Name::intern("synthetic"), seed, start_ts_ns: START_NS, instruments }
}

/// The events of the first `seconds`.
fn run(config: SyntheticConfig, seconds: i64) -> Vec<Event> {
    let mut market = SyntheticMarket::new(config).unwrap();
    let mut events = Vec::new();
    while market.peek_ts_ns().unwrap() < START_NS + seconds * SECOND_NS {
        let due = market.peek_ts_ns().unwrap();
        let event = market.next().unwrap();
        assert_eq!(event.ts_ns, due);
        events.push(event);
    }
    events
}

fn digest(seed: u64, instruments: Vec<SyntheticInstrument>) -> String {
    ids::seed(1);
    let mut digest = Digest::new();
    for event in run(config(seed, instruments), 20) {
        event.digest(&mut digest);
    }
    ids::unseed();
    digest.hex()
}

#[test]
fn the_seed_decides_everything() {
    assert_eq!(digest(7, vec![btc(), eth()]), digest(7, vec![btc(), eth()]));
    assert_ne!(digest(7, vec![btc(), eth()]), digest(8, vec![btc(), eth()]));
    let more_volatile = SyntheticInstrument { volatility: 0.000_4, ..btc() };
    assert_ne!(digest(7, vec![btc(), eth()]), digest(7, vec![more_volatile, eth()]));
}

fn quotes(events: &[Event], instrument: &str) -> Vec<(i64, Quote)> {
    let instrument = Name::intern(instrument);
    let of = |event: &Event| match event.payload {
        Payload::Quote(quote) if event.instrument == instrument => Some((event.ts_ns, quote)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn another_instrument_beside_it_changes_nothing() {
    let (alone, both) = (run(config(7, vec![eth()]), 20), run(config(7, vec![btc(), eth()]), 20));
    assert!(quotes(&alone, "ETH/USDT@synthetic").len() > 500);
    assert_eq!(quotes(&alone, "ETH/USDT@synthetic"), quotes(&both, "ETH/USDT@synthetic"));
}

#[derive(Default)]
struct Book {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    last_id: i64,
    updates: u64,
    /// The book that users of the market keep, beside the plain one.
    l2: L2Book,
}

impl Book {
    fn apply(&mut self, update: &BookUpdate) {
        assert_eq!(self.l2.apply(update), BookOutcome::Applied);
        assert_eq!(update.snapshot, self.updates == 0, "one snapshot, first");
        if self.updates > 0 {
            assert_eq!(update.previous_id, self.last_id);
        }
        if self.updates == 1 {
            assert!(update.first_id <= self.last_id && self.last_id <= update.last_id, "joins the snapshot");
        }
        assert!(update.last_id > self.last_id);
        (self.last_id, self.updates) = (update.last_id, self.updates + 1);
        for (side, levels) in [(&mut self.bids, &update.bids), (&mut self.asks, &update.asks)] {
            for level in levels {
                if level.size == 0 {
                    assert!(side.remove(&level.price).is_some(), "only a level that is there is removed");
                } else {
                    side.insert(level.price, level.size);
                }
            }
        }
    }

    fn top(&self) -> (i64, i64, i64, i64) {
        let (bid, ask) = (self.l2.best_bid().unwrap(), self.l2.best_ask().unwrap());
        let l2 = (bid.price, bid.size, ask.price, ask.size);
        assert_eq!(l2, self.plain_top());
        l2
    }

    fn plain_top(&self) -> (i64, i64, i64, i64) {
        let (bid, ask) = (self.bids.last_key_value().unwrap(), self.asks.first_key_value().unwrap());
        (*bid.0, *bid.1, *ask.0, *ask.1)
    }
}

#[test]
fn quotes_trades_and_books_agree() {
    let mut books: HashMap<Name, Book> = HashMap::new();
    let mut last: HashMap<Name, Quote> = HashMap::new();
    let mut after_trade: Option<(Name, i64)> = None;
    let (mut buys, mut sells, mut spreads) = (0, 0, BTreeMap::new());
    let events = run(config(3, vec![btc(), eth()]), 120);
    assert!(events.is_sorted_by_key(|event| event.ts_ns));
    for event in &events {
        let (name, tick, lot) =
            (event.instrument, if event.price_decimals == 2 && event.size_decimals == 5 { 10 } else { 1 }, 10);
        if let Some((traded, ts_ns)) = after_trade.take() {
            assert_eq!((event.event_type, name, event.ts_ns), (EventType::Quote, traded, ts_ns));
        }
        match &event.payload {
            Payload::Quote(quote) => {
                assert!(0 < quote.bid && quote.bid < quote.ask, "{quote:?}");
                assert!(quote.bid % tick == 0 && quote.ask % tick == 0);
                assert!(quote.bid_size > 0 && quote.ask_size > 0 && quote.bid_size % lot == 0);
                *spreads.entry((quote.ask - quote.bid) / tick).or_insert(0u32) += 1;
                last.insert(name, *quote);
            }
            Payload::Trade(trade) => {
                let quote = last[&name];
                assert!(trade.size > 0 && trade.size % lot == 0);
                let (price, size) = match trade.aggressor {
                    Aggressor::Buyer => (quote.ask, quote.ask_size),
                    _ => (quote.bid, quote.bid_size),
                };
                assert!(trade.price == price && trade.size <= size);
                *(if trade.aggressor == Aggressor::Buyer { &mut buys } else { &mut sells }) += 1;
                after_trade = Some((name, event.ts_ns));
            }
            payload => {
                let update: &BookUpdate = payload.downcast().unwrap();
                let book = books.entry(name).or_default();
                book.apply(update);
                let quote = last[&name];
                assert_eq!(book.top(), (quote.bid, quote.bid_size, quote.ask, quote.ask_size));
                assert_eq!((book.bids.len(), book.asks.len()), (20, 20));
            }
        }
    }
    assert!(buys > 300 && sells > 300, "{buys} {sells}");
    assert_eq!(spreads.keys().copied().collect::<Vec<_>>(), [1, 2, 3], "the spread moves around its average");
}

#[test]
fn rates_are_as_asked_for() {
    let mut market = SyntheticMarket::new(config(5, vec![btc()])).unwrap();
    let seconds = 200;
    while market.peek_ts_ns().unwrap() < START_NS + seconds * SECOND_NS {
        market.next();
    }
    let counters = market.counters();
    let near = |count: u64, rate: f64| (count as f64 / seconds as f64 / rate - 1.0).abs() < 0.03;
    assert!(near(counters.trades, 5.0) && near(counters.books, 10.0) && near(counters.quotes, 30.0), "{counters:?}");
    assert_eq!(counters.frames, counters.trades + counters.books + counters.quotes);
}

/// How often a second the averages over the last 10 and 30 of these values cross, and when they first do.
fn crossings(values: impl Iterator<Item = (i64, f64)>, seconds: i64) -> (f64, i64) {
    let (mut fast, mut slow) = (Sma::new(10).unwrap(), Sma::new(30).unwrap());
    let (mut above, mut count, mut first) = (None, 0, i64::MAX);
    for (ts_ns, value) in values {
        let (Some(fast), Some(slow)) = (fast.update(value), slow.update(value)) else { continue };
        if fast == slow {
            continue;
        }
        if above.replace(fast > slow).is_some_and(|was| was != (fast > slow)) {
            count += 1;
            first = first.min(ts_ns - START_NS);
        }
    }
    (f64::from(count) / seconds as f64, first)
}

#[test]
fn averages_cross_about_once_or_twice_a_second() {
    let seconds = 60;
    let mut firsts = Vec::new();
    for seed in 0..10 {
        let events = run(config(seed, vec![btc(), eth()]), seconds);
        let mut first_of_seed = i64::MAX;
        for name in ["BTC/USDT@synthetic", "ETH/USDT@synthetic"] {
            let mids: Vec<_> =
                quotes(&events, name).iter().map(|(ts, q)| (*ts, (q.bid + q.ask) as f64 / 2.0)).collect();
            let (by_quote, first) = crossings(mids.iter().copied(), seconds);
            let mut sampled = Vec::new();
            for (ts_ns, mid) in &mids {
                let slot = (ts_ns - START_NS) / 100_000_000;
                if sampled.last().is_none_or(|(last, _)| *last < slot) {
                    sampled.push((slot, *mid));
                }
            }
            let (by_time, _) = crossings(sampled.into_iter(), seconds);
            println!(
                "seed {seed} {name}: {by_quote:.2}/s over quotes, {by_time:.2}/s over 100 ms, first {} ms",
                first / 1_000_000
            );
            assert!((1.0..=2.5).contains(&by_quote), "{by_quote} over quotes");
            assert!((0.45..=1.5).contains(&by_time), "{by_time} over 100 ms");
            first_of_seed = first_of_seed.min(first);
        }
        firsts.push(first_of_seed);
    }
    assert!(firsts.iter().all(|first| *first < 3 * SECOND_NS), "first crossings after {firsts:?} ns");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let bad = SyntheticInstrument { tick_size: 0, volatility: f64::NAN, levels: 0, ..btc() };
    let error = SyntheticMarket::new(config(1, vec![bad, eth(), eth()])).err().unwrap();
    let fields: Vec<_> = error.0.iter().map(|error| error.field).collect();
    assert_eq!(fields, ["tick_size", "volatility", "levels", "instrument"]);
    assert!(error.to_string().contains("BTC/USDT@synthetic: volatility has to be between"));
    assert!(SyntheticMarket::new(config(1, vec![])).is_err());
    let huge = SyntheticInstrument { lot_size: i64::MAX, ..btc() };
    assert!(SyntheticMarket::new(config(1, vec![huge])).is_err());
}

#[test]
fn a_consumer_that_lost_its_book_gets_a_snapshot() {
    let mut market = SyntheticMarket::new(config(3, vec![btc(), eth()])).unwrap();
    let mut book = L2Book::new();
    let instrument = btc().listing.instrument;
    let mut updates = 0;
    while updates < 60 {
        let event = market.next().unwrap();
        let Some(update) = event.payload.downcast::<BookUpdate>().filter(|_| event.instrument == instrument) else {
            continue;
        };
        updates += 1;
        match updates {
            1..20 => {}
            20 => {
                assert!(book.is_synced());
                book.clear();
                assert!(market.request_snapshot(instrument));
                assert!(!market.request_snapshot(Name::intern("nobody's")));
                continue;
            }
            _ => {}
        }
        assert_eq!(book.apply(update), BookOutcome::Applied, "update {updates}");
    }
    assert!(book.is_synced());
}

//! Random markets and orders: what holds whatever happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Quote { bid: i64, spread: i64, sizes: (i64, i64) },
    Trade { price: i64, size: i64, aggressor: u8 },
    Book { changes: Vec<(i64, i64)>, snapshot: bool },
    Submit { id: u128, buy: bool, kind: u8, size: i64, price: i64 },
    Cancel { id: u128 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (90i64..110, 1i64..4, (0i64..30, 0i64..30)).prop_map(|(bid, spread, sizes)| Step::Quote { bid, spread, sizes }),
        2 => (88i64..112, 1i64..30, 0u8..3).prop_map(|(price, size, aggressor)| Step::Trade { price, size, aggressor }),
        2 => (prop::collection::vec((88i64..112, 0i64..20), 0..8), prop::bool::weighted(0.3))
            .prop_map(|(changes, snapshot)| Step::Book { changes, snapshot }),
        4 => (1u128..60, any::<bool>(), 0u8..5, 1i64..60, 88i64..112)
            .prop_map(|(id, buy, kind, size, price)| Step::Submit { id, buy, kind, size, price }),
        1 => (1u128..60).prop_map(|id| Step::Cancel { id }),
    ]
}

fn make(step: &Step) -> Option<Order> {
    let Step::Submit { id, buy, kind, size, price } = step else { return None };
    let side = if *buy { OrderSide::Buy } else { OrderSide::Sell };
    Some(match kind {
        0 => market_order(*id, side, *size),
        1 => limit(*id, side, TimeInForce::Ioc, *size, *price),
        2 => limit(*id, side, TimeInForce::Fok, *size, *price),
        3 => limit(*id, side, TimeInForce::PostOnly, *size, *price),
        _ => limit(*id, side, TimeInForce::Gtc, *size, *price),
    })
}

/// Runs the steps one nanosecond apart and gives every report in order.
fn run(
    steps: &[Step],
    config: PaperConfig,
    mut each: impl FnMut(&PaperVenue, &Step, &[VenueReport]),
) -> Vec<VenueReport> {
    let mut venue = venue(config);
    let (mut all, mut book_id) = (Vec::new(), 0);
    for (at, step) in steps.iter().enumerate() {
        let now_ns = at as i64 + 1;
        match step {
            Step::Quote { bid, spread, sizes } => {
                venue.on_market(now_ns, &quote(now_ns, (*bid, sizes.0), (bid + spread, sizes.1)));
            }
            Step::Trade { price, size, aggressor } => {
                let aggressor = [Aggressor::Unknown, Aggressor::Buyer, Aggressor::Seller][usize::from(*aggressor)];
                venue.on_market(now_ns, &trade(now_ns, *price, *size, aggressor));
            }
            Step::Book { changes, snapshot } => {
                let (bids, asks): (Vec<_>, Vec<_>) = changes.iter().copied().partition(|(price, _)| *price < 100);
                book_id += 1;
                venue.on_market(now_ns, &book(now_ns, book_id, if *snapshot { -1 } else { book_id - 1 }, &bids, &asks));
            }
            Step::Submit { .. } => venue.submit(now_ns, &make(step).unwrap()),
            Step::Cancel { id } => venue.cancel(now_ns, ClientOrderId(*id)),
        }
        let from = all.len();
        venue.advance(now_ns, &mut all);
        each(&venue, step, &all[from..]);
    }
    venue.advance(i64::MAX, &mut all);
    all
}

fn any_config() -> impl Strategy<Value = PaperConfig> {
    (0i64..4, 0i64..4, 0i64..3, any::<bool>(), any::<bool>(), 0i64..20, any::<u64>()).prop_map(
        |(latency_out_ns, latency_in_ns, latency_jitter_ns, touch, walk, max_book_lag_ns, seed)| PaperConfig {
            latency_out_ns,
            latency_in_ns,
            latency_jitter_ns,
            limit_fill: if touch { LimitFill::OnTouch } else { LimitFill::OnTradeThrough },
            beyond_top: if walk { BeyondTop::Walk { ticks: 2 } } else { BeyondTop::Cancel },
            max_book_lag_ns,
            seed,
            ..config()
        },
    )
}

proptest! {
    #[test]
    fn orders_live_once_and_fill_within_size_and_price(steps in prop::collection::vec(step(), 1..120), config in any_config()) {
        let mut first: BTreeMap<u128, Order> = BTreeMap::new();
        for order in steps.iter().filter_map(make) {
            first.entry(order.client_order_id.0).or_insert(order);
        }
        let reports = run(&steps, config.clone(), |_, _, _| {});
        let (mut filled, mut accepted, mut ended) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut trade_ids = Vec::new();
        for pair in reports.windows(2) {
            prop_assert!(pair[0].ts_venue_ns <= pair[1].ts_venue_ns);
        }
        for report in &reports {
            let id = report.client_order_id.0;
            let order = first.get(&id);
            match &report.outcome {
                VenueOutcome::Accepted => *accepted.entry(id).or_insert(0) += 1,
                VenueOutcome::Filled { price, size, trade_id, .. } => {
                    let request = &order.unwrap().request;
                    prop_assert!(accepted.contains_key(&id) && !ended.contains_key(&id) && *size > 0 && *price > 0);
                    trade_ids.push(*trade_id);
                    let sum = filled.entry(id).or_insert(0);
                    *sum += size;
                    prop_assert!(*sum <= request.size);
                    if *sum == request.size {
                        ended.insert(id, ());
                    }
                    if request.order_type == OrderType::Limit {
                        prop_assert!((request.price - price) * request.side.sign() >= 0);
                    }
                }
                VenueOutcome::Cancelled { .. } => prop_assert!(accepted.contains_key(&id) && ended.insert(id, ()).is_none()),
                VenueOutcome::Rejected { code, .. } if code == "DUPLICATE" => {}
                VenueOutcome::Rejected { .. } => prop_assert!(!accepted.contains_key(&id) && ended.insert(id, ()).is_none()),
                VenueOutcome::CancelRejected { .. } => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert!(accepted.values().all(|times| *times == 1));
        prop_assert!(trade_ids.windows(2).all(|pair| pair[1] == pair[0] + 1));
        for (id, order) in &first {
            if order.request.time_in_force == TimeInForce::Fok {
                let got = filled.get(id).copied().unwrap_or(0);
                prop_assert!(got == 0 || got == order.request.size);
            }
        }
        prop_assert_eq!(&reports, &run(&steps, config, |_, _, _| {}), "twice the same");
    }

    #[test]
    fn nothing_fills_beyond_what_one_update_shows(steps in prop::collection::vec(step(), 1..120), touch in any::<bool>()) {
        // Quotes and trades only: what is shown is then known without asking the venue.
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::Book { .. })).collect();
        let limit_fill = if touch { LimitFill::OnTouch } else { LimitFill::OnTradeThrough };
        let config = PaperConfig { limit_fill, beyond_top: BeyondTop::Cancel, ..config() };
        // What is left of (price, size) of the asks for buys and of the bids for sells, since that side last changed.
        let mut shown = [(0, 0); 2];
        let mut left = [0i64; 2];
        // A level that a better one covered for a while comes back as it was: what was taken of it stays taken.
        let mut taken = std::collections::BTreeSet::new();
        let failed = std::cell::RefCell::new(None);
        let orders: BTreeMap<u128, Order> =
            steps.iter().rev().filter_map(make).map(|order| (order.client_order_id.0, order)).collect();
        run(&steps, config, |venue, step, reports| {
            if let Step::Quote { bid, spread, sizes } = step {
                for (side, now) in [(0, (bid + spread, sizes.1)), (1, (*bid, sizes.0))] {
                    if shown[side] != now {
                        (shown[side], left[side]) = (now, now.1);
                    }
                }
            }
            let covered = [0, 1].map(|side| taken.contains(&(side, shown[side])));
            let mut traded = if let Step::Trade { size, .. } = step { *size } else { 0 };
            for report in reports {
                let VenueOutcome::Filled { size, .. } = &report.outcome else { continue };
                let side = orders[&report.client_order_id.0].request.side as usize;
                let bound = if matches!(step, Step::Trade { .. }) { &mut traded } else { &mut left[side] };
                *bound -= size;
                taken.insert((side, shown[side]));
                if *bound < 0 {
                    *failed.borrow_mut() = Some(format!("{report:?} takes more than was shown"));
                }
            }
            // What rests against the market has taken all that was offered to it.
            if limit_fill == LimitFill::OnTouch && matches!(step, Step::Quote { .. }) {
                for open in venue.open_orders() {
                    let side = open.request.side;
                    let (price, _) = shown[side as usize];
                    if covered[side as usize] {
                        continue;
                    }
                    let crosses = (open.request.price - price * TICK) * side.sign() >= 0;
                    if crosses && left[side as usize] > 0 {
                        *failed.borrow_mut() = Some(format!("{open:?} rests against the market"));
                    }
                }
            }
        });
        prop_assert_eq!(failed.into_inner(), None);
    }
}

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[test]
fn no_second_holds_more_than_the_limit() {
    let mut window = RateWindow::new(Some(2), SECOND_NS);
    for (now, refused) in [(0, false), (1, false), (2, true), (999_999_999, true), (1_000_000_000, false)] {
        assert_eq!(window.exceeded(now).is_some(), refused, "at {now}");
        if !refused {
            window.record(now);
        }
    }
    assert_eq!(window.exceeded(1_000_000_000), Some(2));
    assert!(window.exceeded(1_000_000_001).is_none());
    assert!(RateWindow::new(None, SECOND_NS).exceeded(0).is_none());
}

#[test]
fn a_changed_limit_counts_what_was_there() {
    let mut window = RateWindow::new(Some(3), SECOND_NS);
    for now in [1, 2, 3] {
        window.record(now);
    }
    window.set_limit(Some(2));
    assert_eq!(window.exceeded(SECOND_NS + 1), Some(2), "the last two are within the second");
    assert_eq!(window.exceeded(SECOND_NS + 2), None);
    window.set_limit(Some(4));
    assert_eq!(window.exceeded(4), None, "three of four, the one among them that a limit of two had no need of");
    window.record(4);
    assert_eq!(window.exceeded(SECOND_NS), Some(4));
    assert_eq!(window.exceeded(SECOND_NS + 1), None);
}

#[test]
fn what_a_clock_put_out_of_order_stays_so_in_a_longer_ring() {
    let mut window = RateWindow::new(Some(2), 1_000);
    [1_000, 400].iter().for_each(|at_ns| window.record(*at_ns));
    window.set_limit(Some(5));
    [500, 600].iter().for_each(|at_ns| window.record(*at_ns));
    assert_eq!(window.room(1_450, 3), 1, "the one of 400 has left the window, the one of 1,000 before it has not");
}

#[test]
fn a_strategy_that_cancels_in_a_storm_cannot_order() {
    let limits = RiskLimits {
        max_messages_per_second: Some(10),
        max_strategy_messages_per_second: Some(3),
        ..Default::default()
    };
    let (storm, calm) = (Name::intern("storm"), Name::intern("calm"));
    let mut rates = Rates::new(&limits);
    for _ in 0..5 {
        rates.record_message(0, storm);
    }
    let refused = rates.check(0, storm).unwrap_err();
    assert_eq!(refused.to_string(), "STRATEGY_MESSAGE_RATE: limit 3 messages a second, value 4 messages a second");
    rates.check(0, calm).unwrap();
    for _ in 0..5 {
        rates.record_message(0, storm);
    }
    assert_eq!(rates.check(0, calm).unwrap_err().code, RiskCode::MessageRate, "nobody knew of it: nothing is kept");
    rates.add_strategy(calm);
    rates.check(0, calm).unwrap();
    rates.check(SECOND_NS, storm).unwrap();
}

#[test]
fn a_strategys_changed_limit_counts_what_it_has_sent() {
    let of = |most| RiskLimits { max_strategy_messages_per_second: most, ..Default::default() };
    let (mut rates, name) = (Rates::new(&of(Some(3))), Name::intern("s"));
    rates.record_message(0, name);
    rates.record_message(0, name);
    rates.check(0, name).unwrap();
    rates.set_limits(&of(Some(2)));
    assert_eq!(rates.check(0, name).unwrap_err().limit, "2 messages a second");
    rates.set_limits(&of(None));
    rates.check(0, name).unwrap();
}

#[test]
fn a_newcomer_waits_for_what_was_sent_before_it() {
    let limits = RiskLimits { max_orders_per_second: Some(4), ..Default::default() };
    let (mut rates, first, second) = (Rates::new(&limits), Name::intern("s"), Name::intern("newcomer"));
    for _ in 0..4 {
        rates.check(0, first).unwrap();
        rates.record_order(0, first);
    }
    rates.add_strategy(second);
    assert_eq!(rates.check(SECOND_NS - 1, second).unwrap_err().limit, "4 orders a second");
    rates.check(SECOND_NS, second).unwrap();
}

#[test]
fn a_limit_that_is_lowered_and_raised_again_knows_what_was_sent() {
    let of = |most| RiskLimits { max_orders_per_minute: most, ..Default::default() };
    let [storm, calm] = ["storm", "calm"].map(Name::intern);
    let mut rates = Rates::new(&of(Some(8)));
    rates.share_among(&[storm, calm]);
    let sent = |rates: &mut Rates, now_ns: i64, whose: Name| {
        let passes = |_: &i32| rates.check(now_ns, whose).map(|()| rates.record_order(now_ns, whose)).is_ok();
        (0..20).take_while(passes).count()
    };
    assert_eq!(sent(&mut rates, 0, storm), 6);
    for between in [Some(1), None, Some(3), Some(100)] {
        rates.set_limits(&of(between));
        rates.set_limits(&of(Some(8)));
        assert_eq!(sent(&mut rates, 1, storm), 0, "behind {between:?}");
    }
    assert_eq!(sent(&mut rates, 1, calm), 2, "its own part, as before");
    assert_eq!(sent(&mut rates, MINUTE_NS, storm), 6);
}

#[test]
fn whoever_is_not_in_the_profile_takes_no_part_of_a_rate() {
    let limits = RiskLimits {
        max_orders_per_second: Some(20),
        max_messages_per_second: Some(20),
        max_strategy_messages_per_second: Some(18),
        ..Default::default()
    };
    let [one, two, stranger] = ["one", "two", "adopted"].map(Name::intern);
    let sent = |rates: &mut Rates, now_ns: i64, whose: Name| {
        let passes = |_: &i32| rates.check(now_ns, whose).map(|()| rates.record_order(now_ns, whose)).is_ok();
        (0..60).take_while(passes).count()
    };
    let mut alone = Rates::new(&limits);
    alone.share_among(&[one]);
    alone.record_message(0, stranger);
    assert_eq!(sent(&mut alone, 0, one), 18, "an own limit of its own");
    assert_eq!(sent(&mut alone, 0, stranger), 1, "what one strategy leaves is for whoever comes");
    assert_eq!(sent(&mut alone, SECOND_NS, one), 18, "and nobody is one more to share with");
    let mut both = Rates::new(&limits);
    both.share_among(&[one, two]);
    both.record_message(0, stranger);
    assert_eq!([one, two].map(|whose| sent(&mut both, 0, whose)), [14, 5], "the cancel took one of the rest");
    let refused = both.check(0, stranger).unwrap_err().to_string();
    assert_eq!(refused, "MESSAGE_RATE: limit 20 messages a second, 10 of them for all, value 11 of these");
    assert_eq!([stranger, one, two].map(|whose| sent(&mut both, SECOND_NS, whose)), [10, 5, 5]);
    (0..18).for_each(|_| both.record_message(2 * SECOND_NS, stranger));
    both.set_limits(&RiskLimits { max_messages_per_second: None, ..limits });
    assert_eq!(both.check(2 * SECOND_NS, stranger).unwrap_err().code, RiskCode::StrategyMessageRate);
}

#[test]
fn a_minute_has_its_own_limit() {
    let limits = RiskLimits { max_orders_per_minute: Some(2), ..Default::default() };
    let (mut rates, name) = (Rates::new(&limits), Name::intern("s"));
    rates.record_order(0, name);
    rates.record_order(30 * SECOND_NS, name);
    assert_eq!(rates.check(60 * SECOND_NS - 1, name).unwrap_err().limit, "2 orders a minute");
    rates.check(60 * SECOND_NS, name).unwrap();
}

#[test]
fn a_strategys_part_of_the_minute_is_its_own() {
    let limits = RiskLimits { max_orders_per_minute: Some(8), ..Default::default() };
    let (mut rates, storm, calm) = (Rates::new(&limits), Name::intern("storm"), Name::intern("calm"));
    rates.add_strategy(storm);
    rates.add_strategy(calm);
    for _ in 0..6 {
        rates.check(0, storm).unwrap();
        rates.record_order(0, storm);
    }
    let refused = rates.check(MINUTE_NS - 1, storm).unwrap_err();
    assert_eq!(refused.limit, "8 orders a minute, 2 of them its own and 4 for all");
    rates.check(MINUTE_NS - 1, calm).unwrap();
    rates.check(MINUTE_NS, storm).unwrap();
}

proptest! {
    /// Orders that are written into the windows together are refused, and stand there, as if each had been looked at
    /// and written by itself: with clocks that go back, cancels, newcomers and other limits in between.
    #[test]
    fn looking_ahead_changes_nothing(
        limits in proptest::collection::vec([proptest::option::of(0u32..120), proptest::option::of(0u32..120), proptest::option::of(0u32..120), proptest::option::of(0u32..120)], 1..4),
        steps in proptest::collection::vec((-30i64..120, 0u8..40, 0usize..3), 1..300), pace in 1i64..400_000_000,
    ) {
        let of = |[second, minute, messages, own]: [Option<u32>; 4]| RiskLimits {
            max_orders_per_second: second,
            max_orders_per_minute: minute,
            max_messages_per_second: messages,
            max_strategy_messages_per_second: own,
            ..Default::default()
        };
        let names = ["ahead-a", "ahead-b", "ahead-c"].map(Name::intern);
        let (mut ahead, mut plain, mut now) = (Rates::new(&of(limits[0])), Rates::new(&of(limits[0])), 0);
        let mut turn = 0;
        for (step, what, who) in steps {
            now += step * pace / 100;
            // Whoever has the turn keeps it for a while.
            turn = if what < 4 { who } else { turn };
            match what {
                0 => [&mut ahead, &mut plain].into_iter().for_each(|rates| rates.record_message(now, names[who])),
                1 => [&mut ahead, &mut plain].into_iter().for_each(|rates| rates.add_strategy(names[who])),
                2 => [&mut ahead, &mut plain].into_iter().for_each(|rates| rates.set_limits(&of(limits[who % limits.len()]))),
                _ => {
                    let told = ahead.check(now, names[turn]);
                    prop_assert_eq!(&told, &plain.look(now, names[turn]));
                    if told.is_ok() {
                        ahead.record_order(now, names[turn]);
                        plain.record_now(now, names[turn]);
                    }
                }
            }
        }
        ahead.settle();
        let windows = |rates: &Rates| format!("{:?}", (&rates.second, &rates.minute, &rates.messages, &rates.strategies));
        prop_assert_eq!(windows(&ahead), windows(&plain));
    }

    /// How many have room is what a look at each time says, with clocks that go back and rings that grow.
    #[test]
    fn the_room_agrees_with_a_look_at_each(
        limit in 1u32..12, most in 0usize..14, steps in proptest::collection::vec((-600i64..700, 0u8..12), 1..120),
    ) {
        let (mut window, mut now) = (RateWindow::new(Some(limit), 1_000), 0);
        for (step, what) in steps {
            now += step;
            let oldest = window.times.iter().cycle().skip(window.begin()).take(most.min(window.limit));
            let left = oldest.take_while(|at_ns| now > **at_ns + 999).count();
            prop_assert_eq!(window.room(now, most), left);
            match what {
                0 => window.set_limit(Some(limit + 3)),
                1 => window.record_all(&[now, now + 1, now + 1]),
                2..=4 => window.record_kept(now),
                _ if left > 0 => window.record(now),
                _ => {}
            }
        }
    }

    /// A new limit counts what was there, whatever the limits before it were: the window agrees with a list of all times.
    #[test]
    fn a_window_agrees_with_a_list(
        steps in proptest::collection::vec((0i64..400, proptest::option::of(0u32..6), prop::bool::weighted(0.2)), 1..80),
    ) {
        let (mut window, mut limit) = (RateWindow::new(Some(3), 1_000), 3u32);
        let (mut all, mut now): (VecDeque<i64>, i64) = (VecDeque::new(), 0);
        for (step, change, forced) in steps {
            now += step;
            if let Some(next) = change {
                // None of it is nothing: no limit.
                window.set_limit((next > 0).then_some(next));
                limit = if next > 0 { next } else { u32::MAX };
            }
            let within = all.iter().filter(|at| now - **at < 1_000).count();
            prop_assert_eq!(window.exceeded(now).is_some(), within >= limit as usize);
            if forced || within < limit as usize {
                window.record_kept(now);
                all.push_back(now);
            }
        }
    }
}

//! Many cancels at once on a disk that every record is forced to: they ask it once.

use std::collections::BTreeSet;

use super::kill::Folder;
use super::*;
use crate::risk::RiskCode;

const ORDERS: usize = 5;

/// An account whose records are forced to the disk one by one, and as many orders that work at a venue outside.
fn working(folder: &Folder) -> (Bench, Vec<ClientOrderId>) {
    let LogConfig::File { path, .. } = folder.log() else { unreachable!() };
    let log = LogConfig::File { path, sync: SyncPolicy::EveryRecord };
    let (mut bench, _) = Bench::open(config(Link::External, log, RiskLimits::default()), 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let orders = (0..ORDERS).map(|_| {
        let request = bench.request(10);
        let id = order_of(bench.submit(request).last().unwrap()).client_order_id;
        assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
        bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
        let outcome = VenueOutcome::Accepted;
        let report =
            VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: bench.now_ns };
        assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
        id
    });
    let orders: BTreeSet<ClientOrderId> = orders.collect();
    (bench, orders.into_iter().collect())
}

/// How often the disk is asked by this.
fn forced(bench: &mut Bench, by: impl FnOnce(&mut Bench)) -> usize {
    let before = bench.desk.gate().times_forced();
    by(bench);
    bench.desk.gate().times_forced() - before
}

fn kill(bench: &mut Bench) {
    bench.desk.kill(&mut bench.router, bench.now_ns, "enough").unwrap();
}

type By = fn(&mut Bench);

#[test]
fn the_disk_is_asked_once_for_all_of_them() {
    let by: [(&str, By); 4] = [
        ("a kill", kill),
        ("an alarm", |bench| {
            bench.desk.alarm().raise();
            bench.desk.heed_alarm(&mut bench.router, bench.now_ns);
        }),
        ("a strategy that is no more", |bench| {
            bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Cancel);
        }),
        ("an actor that failed", |bench| {
            bench.desk.abandon(&mut bench.router, bench.now_ns, "execution failed");
        }),
    ];
    for (what, by) in by {
        let folder = Folder::new("together");
        let (mut bench, orders) = working(&folder);
        assert_eq!(forced(&mut bench, by), 1, "{what}");
        assert_eq!(bench.desk.cancelling(), orders, "{what}");
        assert_eq!((bench.desk.gate().owed(), bench.desk.gate().log_failed()), (0, false), "{what}");
        // A repeated cancel is no record, and what is asked for alone is forced alone.
        assert_eq!(forced(&mut bench, |bench| drop(bench.desk.gate.note(bench.now_ns, "seen"))), 1, "{what}");
        drop(bench);
        let log = folder.log();
        let (_, recovered) = Bench::open(config(Link::External, log, RiskLimits::default()), 2);
        let found: BTreeSet<_> = recovered.cancelling.into_iter().collect();
        assert!(found.into_iter().eq(orders), "{what}: all of it stands in the log");
    }
}

/// As behind a venue's rate limit: what has not begun to leave ends here, and the disk is asked once for it, too.
#[test]
fn the_disk_is_asked_once_for_what_waits_for_its_turn() {
    let later = |bench: &mut Bench| {
        bench.desk.advance(&mut bench.router, bench.now_ns + 60_000_000_000);
    };
    let by: [(&str, By, &str); 5] = [
        ("a kill", kill, "KILL_SWITCH"),
        (
            "a strategy that is cancelled",
            |bench| {
                bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Cancel);
            },
            "REQUESTED",
        ),
        (
            "a strategy that is kept",
            |bench| {
                bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Keep);
            },
            "STRATEGY_STOPPED",
        ),
        (
            "an actor that failed",
            |bench| {
                bench.desk.abandon(&mut bench.router, bench.now_ns, "execution failed");
            },
            "REQUESTED",
        ),
        ("their time is over", later, "EXPIRED"),
    ];
    for (what, by, reason) in by {
        let folder = Folder::new("together-waiting");
        let (mut bench, _) = working(&folder);
        let waiting: Vec<ClientOrderId> = (0..20)
            .map(|_| {
                let request = bench.request(10);
                order_of(bench.submit(request).last().unwrap()).client_order_id
            })
            .collect();
        assert_eq!(forced(&mut bench, by), 1, "{what}");
        let ended = |bench: &Bench| {
            let ended = |id: &&ClientOrderId| bench.desk.gate().order(**id).is_some_and(|order| order.reason == reason);
            waiting.iter().filter(ended).count()
        };
        assert_eq!(ended(&bench), waiting.len(), "{what}");
        drop(bench);
        let (bench, _) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), 2);
        assert_eq!(ended(&bench), waiting.len(), "{what}: it stands in the log");
    }
}

#[test]
fn a_cancel_by_itself_is_forced_before_it_leaves() {
    let folder = Folder::new("together-alone");
    let (mut bench, orders) = working(&folder);
    let cancel =
        CancelRequest { account: bench.desk.name, strategy: Name::intern(STRATEGY), client_order_id: orders[0] };
    let event = Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel));
    let asked = |bench: &mut Bench| {
        let outside = bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event);
        assert_eq!(outside, Some(orders[0]));
    };
    assert_eq!(forced(&mut bench, asked), 1);
}

/// What the disk did not take holds: the account is latched and marked, the cancels leave, and nothing new does.
#[test]
fn a_disk_that_refuses_them_holds_up_no_cancel() {
    let folder = Folder::new("together-refused");
    let (mut bench, orders) = working(&folder);
    bench.desk.gate.break_syncs(false);
    let failed = bench.desk.kill(&mut bench.router, bench.now_ns, "enough").unwrap_err();
    assert!(failed.to_string().contains("os error 5"), "{failed}");
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().is_killed()), (orders.clone(), true));
    assert!(folder.marker().exists() && bench.desk.gate().log_failed());
    let request = bench.request(10);
    assert_eq!(bench.desk.gate.reserve(bench.now_ns, &request).unwrap_err().code, RiskCode::LogFailed);
    assert!(bench.desk.gate.note(bench.now_ns, "x").unwrap_err().to_string().contains("the log is closed"));
    drop(bench);
    let (bench, recovered) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), 2);
    assert!(bench.desk.gate().is_killed(), "by its log or by the marker");
    assert_eq!(recovered.open.len(), ORDERS);
}

/// Nobody asked for a kill switch, so nobody is there to be given the error: it is told as a fault of the account.
#[test]
fn a_disk_that_refuses_the_cancels_of_a_strategy_is_a_fault_that_is_told() {
    let folder = Folder::new("together-fault");
    let (mut bench, orders) = working(&folder);
    bench.desk.gate.break_syncs(false);
    let errors = bench.desk.tally().errors;
    let outside = bench.desk.cancel_all(&mut bench.router, bench.now_ns, Some(Name::intern(STRATEGY)));
    assert_eq!((outside.len(), bench.desk.cancelling()), (ORDERS, orders), "each leaves");
    assert_eq!((bench.desk.tally().errors, bench.desk.gate().log_failed()), (errors + 1, true));
    assert!(bench.desk.tally().last_error.contains("os error 5"), "{}", bench.desk.tally().last_error);
}

#[test]
fn what_is_forced_together_within_another_is_forced_with_it() {
    let folder = Folder::new("together-within");
    let (mut bench, orders) = working(&folder);
    let within = |bench: &mut Bench| {
        bench.desk.gate.begin_together();
        bench.desk.cancel_all(&mut bench.router, bench.now_ns, None);
    };
    assert_eq!(forced(&mut bench, within), 0, "the one around it is not at its end");
    assert_eq!(forced(&mut bench, |bench| bench.desk.gate.force_together().unwrap()), 1);
    assert_eq!(bench.desk.cancelling(), orders);
}

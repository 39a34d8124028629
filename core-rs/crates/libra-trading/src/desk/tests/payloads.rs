//! What a desk's events carry is in the digest of a run, field by field, and is found again by its type.

use super::*;
use crate::account::Position;
use crate::desk::payload::{Approved, Notice, PositionReport, ReportFor};
use libra_kernel::SharedPayload;
use libra_kernel::digest::Digest;

fn digest(payload: &dyn SharedPayload) -> String {
    let mut digest = Digest::new();
    payload.digest(&mut digest);
    digest.hex()
}

/// Each differs from each, and the first one equals itself made anew.
fn all_differ<P: SharedPayload>(make: impl Fn(usize) -> P, count: usize, kind: &str) {
    let digests: Vec<String> = (0..count).map(|which| digest(&make(which))).collect();
    let distinct: BTreeSet<&String> = digests.iter().collect();
    assert_eq!(distinct.len(), count, "{kind}: a field is in no digest: {digests:?}");
    assert_eq!(digest(&make(0)), digests[0]);
    assert_eq!(make(0).kind(), kind);
    assert!(make(0).as_any().is::<P>());
}

#[test]
fn a_notice() {
    let name = Name::intern;
    let make = |which| {
        let [account, code, detail, strategy] =
            [(1, "a"), (2, "CODE"), (3, "why"), (4, "mine")].map(|(at, text)| if which == at { "other" } else { text });
        Notice { account: name(account), strategy: name(strategy), code: code.to_owned(), detail: detail.to_owned() }
    };
    all_differ(make, 5, "notice");
    let split = |code: &str, detail: &str| Notice {
        account: name("a"),
        strategy: Name::NONE,
        code: code.into(),
        detail: detail.into(),
    };
    assert_ne!(digest(&split("ab", "c")), digest(&split("a", "bc")), "where one ends and the next begins counts");
}

#[test]
fn a_position() {
    let make = |which| {
        let one = |at| i64::from(which == at);
        let money = |at| i128::from(which == at);
        let instrument = if which == 2 { Name::intern("other") } else { btc().id };
        PositionReport {
            account: Name::intern(if which == 1 { "other" } else { ACCOUNT }),
            position: Position {
                size: one(3),
                cost: money(4),
                realised: money(5),
                fees: money(6),
                trades: one(8) as u64,
                ..Position::flat(instrument)
            },
            unrealised: money(7),
            average_price: None,
        }
    };
    all_differ(make, 9, "position");
    let shown = PositionReport { average_price: Some(1), ..make(0) };
    assert_eq!(digest(&shown), digest(&make(0)), "made of the others, for display");
}

#[test]
fn a_report_on_its_way() {
    let make = |which| ReportFor {
        account: Name::intern(if which == 1 { "other" } else { ACCOUNT }),
        report: VenueReport {
            client_order_id: ClientOrderId(u128::from(which == 2)),
            venue_order_id: String::new(),
            outcome: VenueOutcome::Accepted,
            ts_venue_ns: i64::from(which == 3),
        },
    };
    all_differ(make, 4, "venue_report");
}

#[test]
fn an_approval() {
    let approved = |size: i64, wait_ns: i64, version: u64| {
        let mut bench = Bench::new(paper(0));
        bench.now_ns += wait_ns;
        bench.quote(6_000_000, 6_000_010);
        for _ in 1..version {
            bench.desk.gate.set_limits(RiskLimits::default()).unwrap();
        }
        let request = OrderRequest { request_id: 7, ..bench.request(size) };
        let approval = bench.desk.gate.reserve(bench.now_ns, &request).unwrap();
        Approved { request, approval }
    };
    let make = |which| match which {
        0 => approved(10, 0, 1),
        1 => approved(11, 0, 1),
        2 => approved(10, 1, 1),
        _ => approved(10, 0, 2),
    };
    all_differ(make, 4, "order_approved");
}

#[test]
fn the_words_of_a_notice_are_what_it_carries() {
    let said = |code: &str, detail: &str| Notice {
        account: Name::intern("a"),
        strategy: Name::intern("mine"),
        code: code.into(),
        detail: detail.into(),
    };
    // What an outbox has room for is counted in these: a venue's page of HTML is not as small as a word.
    assert_eq!(said("", "").carried(), 0);
    assert_eq!(said("FOREIGN_ORDER", "é").carried(), 13 + 2);
    assert_eq!(said("X", &"a".repeat(4_000)).carried(), 4_001);
}

/// Who asks for much waits behind what it asked for itself, and nobody else does: also where the account's own risk
/// actor publishes what came of it.
#[test]
fn an_approval_waits_behind_those_of_its_own_strategy_alone() {
    let [storm, calm] = [STRATEGY, "desk-calm"].map(Name::intern);
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    config.strategies = vec![storm, calm];
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let execution = bench.router.add_mailbox(Capacity::PerLane(100));
    bench.router.set_account(execution, Name::intern(ACCOUNT));
    bench.router.subscribe(execution, EventType::OrderApproved, Name::NONE);
    for strategy in [storm, storm, storm, calm] {
        let request = OrderRequest { strategy, ..bench.request(10) };
        let event = Event::new(EventType::OrderRequest, strategy, bench.now_ns, Payload::shared(request));
        bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    }
    let approved = std::iter::from_fn(|| bench.router.mailbox(execution).pop());
    let whose: Vec<Name> =
        approved.map(|event| event.payload.downcast::<Approved>().unwrap().request.strategy).collect();
    assert_eq!(whose, [storm, calm, storm, storm]);
}

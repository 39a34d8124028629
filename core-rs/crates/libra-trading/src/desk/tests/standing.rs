//! What an account that was opened says to other nodes, and to nobody here.

use libra_kernel::router::RemoteSink;

use super::*;
use crate::account::Balance;
use crate::desk::payload::PositionReport;

/// A bridge that keeps what it is told.
#[derive(Clone, Default)]
struct Elsewhere(Arc<Mutex<Vec<Event>>>);

impl RemoteSink for Elsewhere {
    fn interest_changed(&mut self, _: EventType, _: Name, _: bool) {}

    fn accepts(&mut self, _: &Event) -> bool {
        true
    }

    fn published(&mut self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }

    fn acknowledged(&mut self, _: &Event) {}
}

impl Elsewhere {
    fn heard(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Opens the account; what it says elsewhere, and how many events stand in a mailbox here.
fn opens(log: &LogConfig, is_joined: bool) -> (Bench, Vec<Event>, usize) {
    let (mut bench, _) = Bench::open(config(paper(0), log.clone(), RiskLimits::default()), 2_000_000);
    let elsewhere = Elsewhere::default();
    if is_joined {
        bench.router.set_remote(Box::new(elsewhere.clone()));
    }
    bench.desk.say_standing(&mut bench.router, bench.now_ns);
    let here = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).count();
    (bench, elsewhere.heard(), here)
}

fn trades(log: &LogConfig, signals: &[SignalType]) {
    let (mut bench, _) = Bench::open(config(paper(0), log.clone(), RiskLimits::default()), 1);
    for &signal in signals {
        bench.quote(6_000_000, 6_000_010);
        let signal = bench.signal(signal);
        bench.settle(signal);
    }
}

#[test]
fn an_account_that_is_opened_says_elsewhere_how_all_of_it_stands() {
    let path = std::env::temp_dir().join(format!("libra-desk-standing-{}.gate", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let log = LogConfig::File { path: path.clone(), sync: SyncPolicy::None };
    let (_, said, here) = opens(&log, true);
    assert_eq!((said.len(), here), (0, 0), "one that never traded has nothing to say");

    trades(&log, &[SignalType::Long]);
    let (bench, said, here) = opens(&log, true);
    assert_eq!(here, 0, "nothing has happened here");
    let account = bench.desk.gate().account();
    let positions: Vec<_> = said.iter().filter_map(|event| event.payload.downcast::<PositionReport>()).collect();
    let held: Vec<_> = account.positions().copied().collect();
    assert_eq!(held.len(), 1);
    assert_eq!(positions.iter().map(|report| report.position).collect::<Vec<_>>(), held);
    assert_eq!((positions[0].position.size, positions[0].account.as_str()), (83, ACCOUNT));
    let balances: Vec<_> = said.iter().filter_map(|event| event.payload.downcast::<Balance>().copied()).collect();
    assert_eq!(balances, account.balances());
    assert_eq!(said.len(), positions.len() + balances.len());
    let position = &said[0];
    assert_eq!((position.event_type, position.instrument), (EventType::PositionUpdated, btc().id));
    assert_eq!((position.price_decimals, position.size_decimals), (btc().price_decimals, btc().size_decimals));
    let sources: BTreeSet<_> = said.iter().map(|event| (event.event_type, event.source.as_str())).collect();
    let portfolio = format!("{ACCOUNT}.portfolio");
    let expected = [EventType::PositionUpdated, EventType::BalanceUpdated].map(|said| (said, portfolio.as_str()));
    assert_eq!(sources, BTreeSet::from(expected), "as the fills say it, so it takes the place of what they said");
    drop(bench);

    trades(&log, &[SignalType::CloseLong]);
    let (_, said, _) = opens(&log, true);
    let report = said[0].payload.downcast::<PositionReport>().expect("a position");
    assert_eq!((report.position.size, report.position.trades), (0, 2), "what is flat by now may be remembered as open");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn alone_it_says_nothing_and_takes_no_number() {
    let path = std::env::temp_dir().join(format!("libra-desk-alone-{}.gate", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let log = LogConfig::File { path: path.clone(), sync: SyncPolicy::None };
    trades(&log, &[SignalType::Long]);
    let (bench, _, here) = opens(&log, false);
    let stats = bench.router.stats();
    assert_eq!((here, bench.router.sequence(), stats.events.len(), stats.refused), (0, 0, 0, [0; 4]));
    drop(bench);
    std::fs::remove_file(&path).unwrap();
}

//! One account over many lives beside one venue, driven as a gateway's actor drives it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use libra_kernel::Name;
use libra_trading::gate::{Gate, GateConfig, GateError, IncidentCode, LogConfig, SyncPolicy};
use libra_trading::order::{ClientOrderId, OrderRequest, OrderSide, OrderType, TimeInForce, VenueReport};
use libra_trading::reconcile::{AcceptError, Looks, Taken, VenueLook};

use crate::samples::contract;
use crate::venue::Venue;

/// By how much the histories of every other venue lag behind what it shows.
const LAG_NS: i64 = 4_000_000_000;

pub type Outcome = Result<(), String>;

/// A look under way: what was fetched so far, and how much is still to be.
#[derive(Default)]
pub struct Fetching {
    stage: u8,
    since_ns: i64,
    look: VenueLook,
}

pub struct World {
    pub venue: Venue,
    pub random: fastrand::Rng,
    path: PathBuf,
    pub gate: Option<Gate>,
    pub looks: Looks,
    pub fetching: Option<Fetching>,
    /// What the venue says, and nobody has heard yet.
    pub words: VecDeque<VenueReport>,
    pub to_ask: BTreeSet<ClientOrderId>,
    requests: u128,
    /// How long the account waits for the venue's histories; they lag by less.
    patience_ns: i64,
    /// A look that began behind the last (re)connect has decided everything.
    decided: bool,
    /// Up to when the account took the venue's word.
    taken_ns: i64,
    /// Trades before it are in what the account was opened with.
    pub opened_ns: i64,
    pub happened: BTreeMap<&'static str, u64>,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl World {
    pub fn new(seed: u64) -> Result<World, String> {
        let name = format!("libra-reconcile-{}-{seed}.log", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let mut world = World {
            // Every other venue keeps money in eight decimals.
            venue: Venue::new(1_700_000_000_000_000_000, [0, 10_000][(seed / 2 % 2) as usize]),
            random: fastrand::Rng::with_seed(seed),
            path,
            gate: None,
            looks: Looks::default(),
            fetching: None,
            words: VecDeque::new(),
            to_ask: BTreeSet::new(),
            requests: 0,
            patience_ns: if seed % 4 < 2 { 0 } else { LAG_NS + 1 },
            decided: false,
            taken_ns: i64::MIN,
            opened_ns: i64::MIN,
            happened: BTreeMap::new(),
        };
        world.venue.lag_ns = (world.patience_ns - 1).max(0);
        world.start()?;
        Ok(world)
    }

    pub fn note(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    pub fn now_ns(&self) -> i64 {
        self.venue.now_ns
    }

    pub fn gate(&mut self) -> &mut Gate {
        self.gate.as_mut().expect("a life is under way")
    }

    fn start(&mut self) -> Outcome {
        let config = GateConfig {
            instruments: vec![contract("BTC", "venue")],
            log: LogConfig::File { path: self.path.clone(), sync: SyncPolicy::None },
            keep_whole: 3,
            ..GateConfig::new(Name::intern("main"))
        };
        let (mut gate, recovered) = Gate::open(config, self.now_ns()).map_err(|error| error.to_string())?;
        if recovered.torn.is_some() {
            self.note("a record of a look was torn");
        }
        gate.set_reconciling(true);
        self.to_ask = gate.open_orders().map(|order| order.client_order_id).collect();
        self.gate = Some(gate);
        self.looks = Looks::default();
        self.looks.require(self.patience_ns);
        self.connect();
        self.quote();
        Ok(())
    }

    /// The venue is in sight, maybe again.
    pub fn connect(&mut self) {
        self.looks.begin_anew();
        self.gate().set_reconciling(true);
        (self.fetching, self.decided) = (None, false);
        let open: Vec<_> = self.gate().open_orders().map(|order| order.client_order_id).collect();
        self.to_ask.extend(open);
    }

    pub fn quote(&mut self) {
        let (id, now_ns) = (contract("BTC", "venue").id, self.now_ns());
        self.gate().on_quote(id, 6_000_000, 6_000_010, now_ns, now_ns);
    }

    /// The process dies, and another one comes up on the same log.
    pub fn die(&mut self) -> Outcome {
        self.gate = None;
        self.fetching = None;
        self.words.clear();
        self.start()
    }

    /// It dies, and its log is gone with it.
    pub fn lose_log(&mut self) -> Outcome {
        self.gate = None;
        std::fs::remove_file(&self.path).map_err(|error| error.to_string())?;
        self.die()
    }

    /// An order, if it may leave.
    pub fn order(&mut self, side: OrderSide, size: i64, lost: bool) -> Outcome {
        self.requests += 1;
        let request = OrderRequest {
            request_id: self.requests,
            signal_id: 0,
            account: Name::intern("main"),
            strategy: Name::intern("sma"),
            instrument: contract("BTC", "venue").id,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            size,
            price: 6_000_000 + 7 * self.random.i64(-20..=20),
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        let now_ns = self.now_ns();
        let gate = self.gate();
        let Ok(approval) = gate.reserve(now_ns, &request) else { return Ok(()) };
        let Ok(order) = gate.spend(now_ns, &approval) else { return Ok(()) };
        if !self.decided {
            return Err("an order left before a look had decided".to_owned());
        }
        let id = order.client_order_id;
        self.gate().mark_submitted(now_ns, id).map_err(|error| error.to_string())?;
        if lost {
            self.note("an order is lost on its way");
        } else {
            self.venue.place(Some(id), side, request.price, size);
            self.say(self.venue.query(id));
        }
        Ok(())
    }

    /// The venue says something: in time or late, twice, or to nobody.
    pub fn say(&mut self, reports: Vec<VenueReport>) {
        for report in reports {
            match self.random.u8(0..10) {
                0 | 1 => self.note("a report is lost"),
                2 => {
                    self.note("a report comes twice");
                    self.words.extend([report.clone(), report]);
                }
                _ => self.words.push_back(report),
            }
        }
    }

    pub fn hear(&mut self) -> Outcome {
        if self.words.is_empty() {
            return Ok(());
        }
        let at = self.random.usize(..self.words.len());
        let Some(report) = self.words.remove(at) else { return Ok(()) };
        self.book(&report)
    }

    fn book(&mut self, report: &VenueReport) -> Outcome {
        let now_ns = self.now_ns();
        if !self.gate().knows(report.client_order_id) {
            self.note("a word of an order that nobody knows");
            return Ok(());
        }
        self.gate().on_report(now_ns, report).map(drop).map_err(|error| error.to_string())
    }

    /// Asks about whatever is unanswered, or has to be asked about.
    pub fn ask(&mut self) -> Outcome {
        let gate = self.gate();
        let silent = gate.open_orders().filter(|order| order.status < libra_trading::order::OrderStatus::Accepted);
        let silent: Vec<_> = silent.map(|order| order.client_order_id).collect();
        self.to_ask.extend(silent);
        for id in std::mem::take(&mut self.to_ask) {
            for report in self.venue.query(id) {
                self.book(&report)?;
            }
        }
        self.release();
        Ok(())
    }

    /// New orders may leave once everything is answered and looked at.
    fn release(&mut self) {
        if self.to_ask.is_empty() && self.looks.is_settled() {
            self.gate().set_reconciling(false);
        }
    }

    pub fn begin_look(&mut self) {
        let now_ns = self.now_ns();
        let Some(gate) = &self.gate else { return };
        self.looks.begin(gate, now_ns);
        self.fetching = Some(Fetching { since_ns: self.looks.since_ns(gate), ..Fetching::default() });
    }

    /// The next part of a look. With the last one it is taken, and the process may die within that.
    pub fn fetch(&mut self, dies: bool) -> Outcome {
        let Some(mut fetching) = self.fetching.take() else {
            self.begin_look();
            return Ok(());
        };
        let since_ns = fetching.since_ns;
        let look = &mut fetching.look;
        match fetching.stage {
            0 => look.orders = self.venue.open_orders(),
            1 => {
                for trade in self.venue.listed_trades(since_ns) {
                    let mut trade = trade;
                    if self.random.u8(0..4) == 0 {
                        look.executions.push(trade.clone());
                    }
                    // Some venues tell only their own id.
                    let answered = trade.client_order_id.is_some_and(|id| {
                        self.gate.as_ref().and_then(|gate| gate.order(id)).is_some_and(|o| !o.venue_order_id.is_empty())
                    });
                    if answered && self.random.bool() {
                        trade.client_order_id = None;
                    }
                    look.executions.push(trade);
                }
            }
            2 => {
                look.flows = self.venue.listed_flows(since_ns);
                look.flows.extend(look.flows.last().cloned());
            }
            3 => {
                let past = self.gate.as_ref().is_some_and(|gate| !gate.has_no_past());
                look.state = self.venue.state(self.venue.foreign_ns > self.taken_ns || !past);
            }
            // What is booked until then is not in the picture.
            _ => return self.take(fetching.look, dies),
        }
        fetching.stage += 1;
        self.fetching = Some(fetching);
        Ok(())
    }

    fn take(&mut self, look: VenueLook, dies: bool) -> Outcome {
        let length = || std::fs::metadata(&self.path).map(|data| data.len()).map_err(|error| error.to_string());
        let (now_ns, before) = (self.now_ns(), length()?);
        let gate = self.gate.as_mut().expect("a life is under way");
        let told = gate.incident().is_some();
        let mut taken = Taken::default();
        match self.looks.take(gate, now_ns, &look, |_| false, &mut taken) {
            Ok(()) => {}
            Err(GateError::DoesNotFit(_)) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        if dies {
            let after = length()?;
            let cut = self.random.u64(before..=after);
            self.gate = None;
            let file: File = OpenOptions::new().write(true).open(&self.path).map_err(|error| error.to_string())?;
            file.set_len(cut).map_err(|error| error.to_string())?;
            self.note(if after > before { "died in a look that booked" } else { "died in a look" });
            self.die()?;
            if taken.report.opened && !self.gate().has_no_past() {
                (self.opened_ns, self.taken_ns) = (look.state.ts_venue_ns, look.state.ts_venue_ns);
            }
            return Ok(());
        }
        let report = &taken.report;
        for (count, what) in [
            (report.missed_executions, "a missed execution is booked"),
            (report.missed_flows, "a missed flow is booked"),
            (report.roundings, "a rounding is booked"),
            (report.adopted, "an order is adopted"),
            (report.foreign, "something foreign is seen"),
            (report.unsettled, "an order is open on one side"),
            (report.undecided.len(), "a difference is looked at again"),
            (report.differences.len(), "a difference stands"),
            (usize::from(report.opened), "an account is opened"),
            (report.racing, "an execution is not in the picture yet"),
            (report.apart.len(), "money that nobody trades is taken over"),
        ] {
            if count > 0 {
                *self.happened.entry(what).or_default() += count as u64;
            }
        }
        if report.opened {
            (self.opened_ns, self.taken_ns) = (look.state.ts_venue_ns, look.state.ts_venue_ns);
        }
        self.to_ask.extend(taken.ask);
        self.decided |= report.settled;
        let incident = self.gate().incident().map(|incident| incident.code);
        if let Some(code) = incident {
            let differs = matches!(code, IncidentCode::PositionDiffers | IncidentCode::BalanceDiffers);
            if !differs || self.venue.foreign_ns <= self.taken_ns {
                return Err(format!("an incident without a cause: {:?}", self.gate().incident()));
            }
            if !told {
                self.note("an incident");
            }
        } else if report.settled {
            let explained = report.explained;
            let (mut ours, mut theirs) =
                (self.books(), (look.state.positions.first().map_or(0, |p| p.size), self.shown(&look)));
            if explained {
                // What came behind the picture is not in it; with it all of the size is explained.
                let fills = self.gate().fills().iter().filter(|fill| fill.ts_venue_ns > look.state.ts_venue_ns);
                let behind: i64 = fills.map(|fill| fill.size * fill.side.sign()).sum();
                ours = (ours.0 - i128::from(behind) * 1_000_000_000, 0);
                theirs.1 = 0;
            }
            if ours != theirs {
                return Err(format!("a look without findings, and ours {ours:?} is not theirs {theirs:?}"));
            }
            self.note("a look without findings");
        }
        self.release();
        Ok(())
    }

    /// Executions and what the venue's word changed explain all that the account holds: what the portfolio goes by.
    pub fn accounts_for_all(&mut self) -> Outcome {
        let gate = self.gate();
        let executed =
            gate.fills().iter().map(|fill| i128::from(fill.side.sign()) * i128::from(fill.size)).sum::<i128>();
        let taken = gate.moves().iter().map(|moved| i128::from(moved.to) - i128::from(moved.from)).sum::<i128>();
        let held = gate.account().position(contract("BTC", "venue").id).map_or(0, |position| position.size);
        match executed + taken == i128::from(held) {
            true => Ok(()),
            false => Err(format!("{executed} were executed, {taken} taken over, and {held} is held")),
        }
    }

    fn shown(&self, look: &VenueLook) -> i128 {
        let of = |currency| look.state.balances.iter().find(|(name, _)| *name == currency);
        of(crate::venue::usdt()).map_or(0, |(_, total)| *total)
    }

    /// Our position in base units, and our balance.
    pub fn books(&mut self) -> (i128, i128) {
        let gate = self.gate();
        let size = gate.account().position(contract("BTC", "venue").id).map_or(0, |position| position.size);
        let total = gate.account().balance(crate::venue::usdt()).map_or(0, |balance| balance.total);
        (i128::from(size) * 1_000_000_000, total)
    }

    /// An operator takes the venue's word, where it differs.
    pub fn accept(&mut self) -> Outcome {
        let now_ns = self.now_ns();
        let Some(gate) = self.gate.as_mut() else { return Ok(()) };
        let shown_ns = self.looks.shown_ns().unwrap_or(i64::MIN);
        match self.looks.accept(gate, now_ns, "ops") {
            Ok(_) => {}
            Err(AcceptError::Nothing | AcceptError::Moved) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        gate.resume(now_ns).map_err(|error| error.to_string())?;
        self.taken_ns = self.taken_ns.max(shown_ns);
        self.note("the venue's word is taken");
        self.accounts_for_all()?;
        self.connect();
        Ok(())
    }

    /// True while money that nobody trades is not taken over yet: nothing else waits for that.
    pub fn waits_for_apart(&mut self) -> bool {
        let apart = self.gate().account().balance(Name::intern("LDUSDT")).map_or(0, |balance| balance.total);
        apart != self.venue.apart
    }
}

//! One look after the other: what is booked at once, what is looked at again, what is decided.
//!
//! | found | what follows |
//! | --- | --- |
//! | an account without a past | two equal looks: it is opened with what the venue has, as far as it tells that |
//! | an order or execution of ours that the log lacks | adopted, booked |
//! | a missed execution, a missed flow | booked, once |
//! | a wallet that differs by the order of executions alone | our P&L is brought into the venue's order |
//! | wallets that differ by no more than the venue rounds, and nothing else | booked, as a rounding |
//! | a picture that is our books without the last executions, exactly | no difference, see [`super::picture`] |
//! | a difference, the first time, or with something in flight | looked at again soon |
//! | the same difference in the next look, nothing of it booked between | of a position: new orders wait |
//! | the same, and no history has explained it for as long as it may lag | an incident: new orders stop |
//! | differences that keep moving for [`PATIENCE`] looks | of balances alone not before a history may lag; then new orders wait until two looks agree |
//! | a balance in a currency that the account trades nothing in | booked as it is, when no history has explained it; told |
//! | what is foreign | told once, left alone |
//! | an open order with other terms than it was sent with | told once; a larger one is an incident, as long as it works |
//! | more executed of an open order than is booked | the venue is asked for its executions |
//! | an order that is over here for [`LISTS_LAG_NS`], and works when the venue is asked, too | looked at again soon |
//! | the same in each look for [`LINGERS_NS`], and when the venue is asked again | a stray: an incident, cancelled |

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libra_kernel::Name;

use crate::account::Account;
use crate::gate::{Gate, GateError, GateEvent, IncidentCode};
use crate::order::{ClientOrderId, OrderStatus};

use super::accept::{AcceptError, Adjustment, BalanceLine, adjustment, position_line};
use super::compare::{
    Amendment, Difference, Finding, Flight, Foreign, LISTS_LAG_NS, Subject, compare, contract_of, differences,
    is_traded,
};
use super::order::in_venue_order;
use super::picture::Before;
use super::rounding;
use super::venue::{FlowKind, VenueFlow, VenueLook, VenueState};

/// How far behind what is known the venue is asked: its lists may lag behind its events.
const OVERLAP_NS: i64 = 300_000_000_000;

/// So many looks in a row may leave something undecided before new orders wait.
const PATIENCE: u32 = 3;

/// For so long looks in a row list an order that is over here before it is one that works there: a venue's lists and its
/// answers may lag, both by the same.
const LINGERS_NS: i64 = 5_000_000_000;

/// How much of the log a quiet account may write: a mark every so often.
const MARK_EVERY_NS: i64 = 60_000_000_000;

/// Foreign orders and executions that are remembered, so that each is told once.
const MOST_FOREIGN: usize = 10_000;

/// What a look came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookReport {
    /// When it was done, on the account's clock.
    pub at_ns: i64,
    /// How long it took, from the first question on.
    pub duration_ns: i64,
    /// Executions of ours that were booked by it.
    pub missed_executions: usize,
    /// Flows that were booked by it.
    pub missed_flows: usize,
    /// Flows of what the venue rounded that were booked by it.
    pub roundings: usize,
    /// Orders that were adopted.
    pub adopted: usize,
    /// Orders open on one side only, which are asked about.
    pub unsettled: usize,
    /// Foreign orders and executions it saw, told before or not.
    pub foreign: usize,
    /// Its picture is not our books, but our books as of then, exactly: see [`super::picture`].
    pub explained: bool,
    /// Executions booked by then that such a picture does not show yet.
    pub racing: usize,
    /// Balances in currencies that nothing is traded in, which were taken over as the venue has them.
    pub apart: Vec<Difference>,
    /// Differences that are looked at again.
    pub undecided: Vec<Difference>,
    /// Differences that stand.
    pub differences: Vec<Difference>,
    /// The account was opened by it.
    pub opened: bool,
    /// Nothing is undecided.
    pub settled: bool,
}

/// What came of a look.
#[derive(Debug, Default)]
pub struct Taken {
    /// To be published.
    pub events: Vec<GateEvent>,
    /// To be asked about, one by one.
    pub ask: Vec<ClientOrderId>,
    /// What is foreign and was not told before.
    pub foreign: Vec<Foreign>,
    /// Orders with other terms than they were sent with, which were not told before.
    pub amended: Vec<Amendment>,
    /// What it came to.
    pub report: LookReport,
}

struct Began {
    now_ns: i64,
    books: Before,
}

/// A difference as the look before had it.
#[derive(Clone, Copy)]
struct Suspect {
    difference: Difference,
    /// When a look first had one of this amount; all since have.
    since_ns: i64,
}

/// See the module. One a desk; it keeps nothing that a restart would miss.
#[derive(Default)]
pub struct Looks {
    required: bool,
    settled: bool,
    wanted: bool,
    began: Option<Began>,
    /// How long a venue's histories may lag behind its positions and balances.
    patience_ns: i64,
    /// Differences of the look before, and how many fills were booked when it was done.
    suspects: BTreeMap<Subject, Suspect>,
    fills_before: usize,
    /// The look before, where it was not explained: it may be by what was booked since.
    unexplained: Option<(Before, VenueState)>,
    /// The venue rounds.
    rounds: bool,
    undecided_looks: u32,
    undecided_since_ns: i64,
    /// What an account without a past may be opened with, seen once.
    opening: Option<VenueState>,
    /// The same of currencies that nothing is traded in.
    apart: BTreeMap<Name, Suspect>,
    /// Differences that became incidents of this process.
    raised: BTreeMap<Subject, Difference>,
    last: Option<(VenueState, LookReport)>,
    /// Orders that are over and not adopted yet: their executions may not all be listed. When they were found so first.
    incomplete: BTreeMap<ClientOrderId, i64>,
    /// Orders that are over here, and that the last look found open, with when it began: whether they work is for the venue
    /// to say when it is asked.
    lingering: BTreeMap<ClientOrderId, i64>,
    /// Those of which it has said so, and when the first look of these began; all since have found them open.
    doubted: BTreeMap<ClientOrderId, i64>,
    /// What a look that failed found to be asked about: the next one hands it out.
    unasked: Vec<ClientOrderId>,
    told: BTreeSet<(String, u64)>,
    told_order: VecDeque<(String, u64)>,
}

impl Looks {
    /// From now on new orders wait for looks.
    ///
    /// What a history may explain is waited for as long as histories may lag: `patience_ns`.
    pub fn require(&mut self, patience_ns: i64) {
        (self.required, self.patience_ns) = (true, patience_ns.max(0));
    }

    /// True when orders wait for looks.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// The venue was out of sight, or an operator says that trading may go on: the next look decides anew.
    ///
    /// One that is under way shows the venue as it was before, and counts for nothing.
    pub fn begin_anew(&mut self) {
        self.began = None;
        self.lingering.clear();
        self.doubted.clear();
        (self.settled, self.wanted, self.undecided_looks, self.unexplained) = (false, true, 0, None);
    }

    /// True when the last look decided everything, or none is required.
    pub fn is_settled(&self) -> bool {
        !self.required || self.settled
    }

    /// True when the next look should not wait for its time.
    pub fn is_wanted(&self) -> bool {
        self.required && self.wanted
    }

    /// What the last look came to.
    pub fn last(&self) -> Option<&LookReport> {
        self.last.as_ref().map(|(_, report)| report)
    }

    /// What a look that failed found to be asked about.
    pub fn unasked(&self) -> &[ClientOrderId] {
        &self.unasked
    }

    /// True for an order that is over here for long, and that the last look found open all the same.
    pub fn lingers(&self, id: ClientOrderId) -> bool {
        self.lingering.contains_key(&id)
    }

    /// The venue was asked about an order that [`Looks::lingers`], and says whether it works. True where it has said so for
    /// [`LINGERS_NS`], over two looks at least; until then the next look does not wait for its time.
    pub fn is_found_working(&mut self, id: ClientOrderId, works: bool) -> bool {
        if !works {
            self.lingering.remove(&id);
            self.doubted.remove(&id);
        }
        let Some(&looked_ns) = self.lingering.get(&id) else { return false };
        let since_ns = *self.doubted.entry(id).or_insert(looked_ns);
        self.wanted = true;
        looked_ns.saturating_sub(since_ns) >= LINGERS_NS
    }

    /// The venue's time of the last look.
    pub fn shown_ns(&self) -> Option<i64> {
        self.last.as_ref().map(|(state, _)| state.ts_venue_ns)
    }

    /// From when on the venue is asked for executions and flows.
    pub fn since_ns(&self, gate: &Gate) -> i64 {
        gate.looked_ns().saturating_sub(OVERLAP_NS).max(0)
    }

    /// A look begins: what is booked from here on races it.
    pub fn begin(&mut self, gate: &Gate, now_ns: i64) {
        self.began = Some(Began { now_ns, books: Before::of(gate) });
        self.wanted = false;
    }

    /// A look failed: another one is due.
    pub fn fail(&mut self) {
        self.began = None;
        self.wanted |= !self.settled || !self.doubted.is_empty();
    }

    /// Takes a look in: books what was missed and decides what can be decided. `unsent` are orders whose bytes have not left.
    ///
    /// What it did stands in `taken` also where it fails halfway: what was booked until then is in the log, and nobody will
    /// say it again.
    pub fn take(
        &mut self,
        gate: &mut Gate,
        now_ns: i64,
        look: &VenueLook,
        unsent: impl Fn(ClientOrderId) -> bool,
        taken: &mut Taken,
    ) -> Result<(), GateError> {
        let done = self.take_in(gate, now_ns, look, unsent, taken);
        if done.is_err() {
            self.unasked = std::mem::take(&mut taken.ask);
        }
        done
    }

    fn take_in(
        &mut self,
        gate: &mut Gate,
        now_ns: i64,
        look: &VenueLook,
        unsent: impl Fn(ClientOrderId) -> bool,
        taken: &mut Taken,
    ) -> Result<(), GateError> {
        taken.ask.append(&mut self.unasked);
        let began = self
            .began
            .take()
            .ok_or(GateError::DoesNotFit("the look is of before the connection was lost, or trading resumed"))?;
        (self.wanted, self.rounds) = (true, look.state.unit > 0);
        taken.report.duration_ns = now_ns.saturating_sub(began.now_ns);
        taken.report.at_ns = now_ns;
        let mut flight = Flight {
            lag_ns: self.patience_ns,
            incomplete: std::mem::take(&mut self.incomplete),
            ..flight(gate, &began, unsent)
        };
        let tells_nothing = look.state.without_positions && look.state.without_balances;
        if gate.has_no_past() && !tells_nothing && !self.open(gate, now_ns, look, &flight, taken)? {
            self.last = Some((look.state.clone(), taken.report.clone()));
            return Ok(());
        }

        self.lingering.clear();
        let (mut flowed, mut executed, mut ended_late) = (BTreeSet::new(), Vec::new(), false);
        for finding in compare(gate, look, &flight) {
            match finding {
                Finding::Adopt(orphan) => {
                    taken.events.extend(gate.adopt(now_ns, &orphan)?);
                    taken.report.adopted += 1;
                    taken.ask.push(orphan.client_order_id);
                    // What of it was executed before is not known until it has been asked about.
                    flight.instruments.insert(orphan.instrument);
                    flight.unanswered = true;
                }
                Finding::MissedExecution(report) => {
                    taken.events.extend(gate.on_report(now_ns, &report)?);
                    taken.report.missed_executions += 1;
                }
                Finding::MissedFlow(flow) => {
                    taken.events.extend(gate.book_flow(now_ns, &flow)?);
                    taken.report.missed_flows += 1;
                    flowed.insert(flow.currency);
                }
                Finding::Incomplete(id, instrument) => {
                    self.incomplete.insert(id, flight.incomplete.get(&id).copied().unwrap_or(began.now_ns));
                    flight.unanswered = true;
                    add_instrument(gate.account(), instrument, &mut flight);
                }
                Finding::Unsettled(id) => {
                    taken.report.unsettled += 1;
                    if !taken.ask.contains(&id) {
                        taken.ask.push(id);
                    }
                }
                Finding::Lingers(id, since_ns) => {
                    if since_ns.saturating_add(LISTS_LAG_NS) < began.now_ns {
                        self.lingering.insert(id, began.now_ns);
                    } else {
                        ended_late = true;
                    }
                }
                Finding::Executed(id, filled) => executed.push((id, filled)),
                Finding::Amended(amendment) => {
                    let raises = amendment.enlarges && gate.incident().is_none();
                    if raises {
                        let (id, detail) = (amendment.client_order_id, &amendment.detail);
                        taken.events.extend(gate.order_differs(now_ns, id, detail)?);
                    }
                    if self.is_first((amendment.to_string(), u64::MAX)) && !raises {
                        taken.amended.push(amendment);
                    }
                }
                Finding::Foreign(foreign) => {
                    taken.report.foreign += 1;
                    if self.is_news(&foreign) {
                        taken.foreign.push(foreign);
                    }
                }
                Finding::InFlight(_) | Finding::Differs(_) => {}
            }
        }

        // Behind the look's own executions: a list of these that lags is made up for by a query.
        let lacks = |gate: &Gate, id, filled| {
            gate.order(id).is_some_and(|order| !order.status.is_final() && order.filled < filled)
        };
        for (id, _) in executed.into_iter().filter(|(id, filled)| lacks(gate, *id, *filled)) {
            taken.report.unsettled += 1;
            if !taken.ask.contains(&id) {
                taken.ask.push(id);
            }
        }

        let untraded = self.untraded(gate, now_ns, &look.state, &flight, taken)?;
        let traded = |currency: Name| !untraded.contains(&currency);
        let found = |gate: &Gate, flight: &Flight| {
            let mut found = differences(gate, &look.state, flight);
            // An order that is not answered may have paid its fee in any currency.
            found.retain(|finding| match finding {
                Finding::Differs(Difference { subject: Subject::Balance(currency), .. }) => traded(*currency),
                _ => true,
            });
            found
        };
        for finding in found(gate, &flight) {
            if let Finding::Differs(difference) = finding
                && let room = rounding::room(gate, difference.subject.name(), look.state.unit)
                && let Some(adjustment) = in_venue_order(gate, &difference, room)
            {
                taken.events.extend(gate.adjust(now_ns, "the venue's order of executions", adjustment)?);
            }
        }
        for flow in rounding::flows(gate, &look.state, &found(gate, &flight)) {
            taken.events.extend(gate.book_flow(now_ns, &flow)?);
            taken.report.roundings += 1;
        }
        if let Some((before, state)) = self.unexplained.take()
            && before.explains(gate, &state, traded).is_some()
        {
            self.undecided_looks = 0;
        }
        let mut found = found(gate, &flight);
        if !found.is_empty()
            && let Some(racing) = began.books.explains(gate, &look.state, traded)
        {
            (taken.report.explained, taken.report.racing, found) = (true, racing, Vec::new());
        }
        let moved = moved_since(gate, self.fills_before);
        let mut suspects = BTreeMap::new();
        let mut waits = false;
        for finding in found {
            let Finding::Differs(difference) = finding else {
                taken.report.undecided.extend(difference_at(&finding));
                continue;
            };
            let subject = difference.subject;
            let between = match subject {
                Subject::Position(symbol) => {
                    contract_of(gate.account(), symbol).is_some_and(|id| moved.instruments.contains(&id))
                }
                Subject::Balance(currency) => moved.currencies.contains(&currency) || flowed.contains(&currency),
            };
            let suspect = (self.suspects.get(&subject).copied())
                .filter(|suspect| suspect.difference.amount() == difference.amount())
                .map_or(Suspect { difference, since_ns: now_ns }, |before| Suspect { difference, ..before });
            let agrees = self.suspects.get(&subject).is_some_and(|before| before.difference == difference) && !between;
            if agrees && began.now_ns.saturating_sub(suspect.since_ns) >= self.patience_ns {
                let known = self.raised.get(&subject) == Some(&difference) && gate.incident().is_some();
                if !known && !stands(gate, &difference) {
                    taken.events.extend(gate.differ(now_ns, difference)?);
                }
                self.raised.insert(subject, difference);
                taken.report.differences.push(difference);
            } else {
                // Whatever explains it in the end: a position that is not ours is no ground for more orders.
                waits |= agrees && matches!(subject, Subject::Position(_));
                taken.report.undecided.push(difference);
            }
            suspects.insert(subject, suspect);
        }
        (self.suspects, self.fills_before) = (suspects, gate.fills().len());
        self.decide(gate, now_ns, waits, taken)?;
        let lingering = &self.lingering;
        self.doubted.retain(|id, _| lingering.contains_key(id));
        // Of an order that has ended only now the list says nothing yet.
        self.wanted |= ended_late || !self.doubted.is_empty();
        if !taken.report.undecided.is_empty() {
            self.unexplained = Some((began.books, look.state.clone()));
        }
        self.last = Some((look.state.clone(), taken.report.clone()));
        Ok(())
    }

    /// An account without a past takes what two looks in a row show, with nothing executed between them. False while it waits.
    fn open(
        &mut self,
        gate: &mut Gate,
        now_ns: i64,
        look: &VenueLook,
        flight: &Flight,
        taken: &mut Taken,
    ) -> Result<bool, GateError> {
        let state = &look.state;
        let quiet = |before: &VenueState| {
            let same = (&before.positions, &before.balances) == (&state.positions, &state.balances);
            same && !look.executions.iter().any(|execution| execution.ts_venue_ns > before.ts_venue_ns)
        };
        if flight.unanswered || !self.opening.as_ref().is_some_and(quiet) {
            self.opening = Some(state.clone());
            return Ok(false);
        }
        let balance = |(currency, total): &(Name, i128)| BalanceLine {
            currency: *currency,
            total: *total,
            realised: 0,
            capital: *total,
        };
        // What is not told stays as the profile has it.
        let own: Vec<(Name, i128)> = gate.account().balances().iter().map(|own| (own.currency, own.total)).collect();
        let balances = if state.without_balances { &own } else { &state.balances };
        let mut opening = Adjustment { balances: balances.iter().map(balance).collect(), ..Adjustment::default() };
        let mut sizes: BTreeMap<Name, i128> = BTreeMap::new();
        for position in &state.positions {
            let size = sizes.entry(position.symbol).or_default();
            *size = size.checked_add(position.size).ok_or(GateError::DoesNotFit("a position"))?;
        }
        for (symbol, size) in sizes.into_iter().filter(|(_, size)| *size != 0) {
            match contract_of(gate.account(), symbol) {
                Some(id) => {
                    let line = position_line(gate.account(), id, size, state);
                    opening.positions.extend(line.map_err(|_| GateError::DoesNotFit("a position"))?);
                }
                None => opening.elsewhere.push((symbol, size)),
            }
        }
        taken.events.extend(gate.open_as_venue(now_ns, state.ts_venue_ns, opening)?);
        taken.report.opened = true;
        self.opening = None;
        Ok(true)
    }

    /// Currencies that differ, and that the account trades nothing in: what of them no history explains is booked as it is.
    fn untraded(
        &mut self,
        gate: &mut Gate,
        now_ns: i64,
        state: &VenueState,
        flight: &Flight,
        taken: &mut Taken,
    ) -> Result<BTreeSet<Name>, GateError> {
        let mut untraded = BTreeSet::new();
        let before = std::mem::take(&mut self.apart);
        for finding in differences(gate, state, flight) {
            let Some(&difference) = difference_at(&finding) else { continue };
            let Subject::Balance(currency) = difference.subject else { continue };
            if is_traded(gate, currency) {
                continue;
            }
            untraded.insert(currency);
            let Some(amount) = difference.amount() else { continue };
            let since_ns = (before.get(&currency))
                .filter(|suspect| suspect.difference == difference)
                .map(|suspect| suspect.since_ns);
            // Its histories were asked for when the look began.
            let in_flight = matches!(finding, Finding::InFlight(_));
            let lasts = |since_ns| flight.began_ns.saturating_sub(since_ns) >= self.patience_ns;
            if in_flight || !since_ns.is_some_and(lasts) {
                self.apart.insert(currency, Suspect { difference, since_ns: since_ns.unwrap_or(now_ns) });
                continue;
            }
            let flow = VenueFlow {
                key: format!("apart {currency} {}", state.ts_venue_ns),
                kind: FlowKind::Other,
                currency,
                amount,
                symbol: Name::NONE,
                ts_venue_ns: state.ts_venue_ns,
            };
            match gate.book_flow(now_ns, &flow) {
                Ok(events) => {
                    taken.events.extend(events);
                    taken.report.apart.push(difference);
                }
                // Beyond what money holds: nothing is traded in it.
                Err(GateError::DoesNotFit(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(untraded)
    }

    /// Whether new orders may leave, and up to when everything is booked.
    fn decide(&mut self, gate: &mut Gate, now_ns: i64, waits: bool, taken: &mut Taken) -> Result<(), GateError> {
        let report = &mut taken.report;
        if report.undecided.is_empty() {
            self.undecided_looks = 0;
            (report.settled, self.settled, self.wanted) = (true, true, false);
        } else {
            if self.undecided_looks == 0 {
                self.undecided_since_ns = now_ns;
            }
            self.undecided_looks = self.undecided_looks.saturating_add(1);
            let position = report.undecided.iter().any(|found| matches!(found.subject, Subject::Position(_)));
            let lasts = now_ns.saturating_sub(self.undecided_since_ns) >= self.patience_ns;
            let moves = self.undecided_looks >= PATIENCE && (position || lasts);
            if (waits || moves) && self.settled {
                self.settled = false;
                gate.set_reconciling(true);
            }
        }
        // Everything that this look's lists could hold was there when the look before it was taken.
        let known_ns = self.last.as_ref().map(|(state, _)| state.ts_venue_ns).unwrap_or_default();
        let clean = report.settled && report.differences.is_empty();
        let due = known_ns.saturating_sub(gate.looked_ns()) >= MARK_EVERY_NS;
        // What executions may be rounded by counts from here on, for the next process too.
        let equal = !report.explained;
        if clean && (due || equal && self.rounds && gate.is_unsettled()) {
            gate.looked(now_ns, known_ns, equal)?;
        }
        Ok(())
    }

    /// Takes the venue's word for the differences that stand, as of the last look, once. What is lost by it is measured by
    /// [`Gate::watch_all`] behind it.
    pub fn accept(
        &mut self,
        gate: &mut Gate,
        now_ns: i64,
        who: &str,
    ) -> Result<(Adjustment, Vec<GateEvent>), AcceptError> {
        let (state, report) = self.last.as_mut().ok_or(AcceptError::Nothing)?;
        if report.differences.is_empty() {
            return Err(AcceptError::Nothing);
        }
        if gate.fills().len() != self.fills_before || !report.undecided.is_empty() {
            return Err(AcceptError::Moved);
        }
        let adjustment = adjustment(gate, &report.differences, state)?;
        let events = gate.adjust_unmeasured(now_ns, who, adjustment.clone())?;
        report.differences.clear();
        self.suspects.clear();
        Ok((adjustment, events))
    }

    fn is_news(&mut self, foreign: &Foreign) -> bool {
        let key = match foreign {
            Foreign::Order(order) => (format!("{} {}", order.symbol, order.venue_order_id), u64::MAX),
            Foreign::Execution(execution) => (execution.symbol.to_string(), execution.trade_id),
        };
        self.is_first(key)
    }

    fn is_first(&mut self, key: (String, u64)) -> bool {
        if !self.told.insert(key.clone()) {
            return false;
        }
        self.told_order.push_back(key);
        if self.told_order.len() > MOST_FOREIGN
            && let Some(oldest) = self.told_order.pop_front()
        {
            self.told.remove(&oldest);
        }
        true
    }
}

fn difference_at(finding: &Finding) -> Option<&Difference> {
    match finding {
        Finding::InFlight(difference) | Finding::Differs(difference) => Some(difference),
        _ => None,
    }
}

/// True where the incident that this difference would be stands already.
fn stands(gate: &Gate, difference: &Difference) -> bool {
    let code = match difference.subject {
        Subject::Position(_) => IncidentCode::PositionDiffers,
        Subject::Balance(_) => IncidentCode::BalanceDiffers,
    };
    gate.incident().is_some_and(|incident| incident.code == code && incident.detail == difference.to_string())
}

/// Instruments and currencies that executions moved since the first `count` of them.
fn moved_since(gate: &Gate, count: usize) -> Flight {
    let mut moved = Flight::default();
    for fill in gate.fills().since(count) {
        moved.currencies.insert(fill.fee_currency);
        add_instrument(gate.account(), fill.instrument, &mut moved);
    }
    moved
}

fn add_instrument(account: &Account, id: Name, flight: &mut Flight) {
    flight.instruments.insert(id);
    if let Some(instrument) = account.instrument(id) {
        flight.currencies.extend([instrument.base, instrument.quote, instrument.settle]);
    }
}

/// What races a look: executions booked since it began, and orders whose fate is not known.
fn flight(gate: &Gate, began: &Began, unsent: impl Fn(ClientOrderId) -> bool) -> Flight {
    let mut flight = moved_since(gate, began.books.fills());
    flight.began_ns = began.now_ns;
    for order in gate.open_orders() {
        if order.status < OrderStatus::Accepted && !unsent(order.client_order_id) {
            flight.unanswered = true;
            add_instrument(gate.account(), order.request.instrument, &mut flight);
        }
    }
    flight
}

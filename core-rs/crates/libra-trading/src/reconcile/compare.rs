//! The comparison of one look: a pure function of the account, the venue's picture and what is in flight.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use libra_kernel::Name;

use crate::account::{Account, base_amount};
use crate::gate::Gate;
use crate::instrument::{ContractKind, Money};
use crate::order::{ClientOrderId, Order, OrderSide, OrderStatus, OrderType, VenueOutcome, VenueReport};
use crate::risk::code::{format_money, with_unit};

use super::venue::{VenueExecution, VenueFlow, VenueLook, VenueOrder, VenueState};

/// An order of ours that ended so long before the oldest execution asked for is not among those looked through for it.
const ENDED_BEFORE_NS: i64 = 3_600_000_000_000;

/// What happened to an order so long before a look began is in the venue's list of open orders.
pub(super) const LISTS_LAG_NS: i64 = 2_000_000_000;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The position in a contract, by its symbol.
    Position(Name),
    /// The wallet's total of a currency.
    Balance(Name),
}

impl Subject {
    /// The stable code of a difference in it.
    pub const fn code(self) -> &'static str {
        match self {
            Subject::Position(_) => "POSITION_DIFFERS",
            Subject::Balance(_) => "BALANCE_DIFFERS",
        }
    }

    /// The symbol or the currency.
    pub const fn name(self) -> Name {
        match self {
            Subject::Position(name) | Subject::Balance(name) => name,
        }
    }
}

/// Two amounts that should be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub subject: Subject,
    /// By our books.
    pub ours: Money,
    /// By the venue's.
    pub theirs: Money,
}

impl Difference {
    /// What the venue has more than we; `None` where that does not fit.
    pub fn amount(&self) -> Option<Money> {
        self.theirs.checked_sub(self.ours)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, ours, theirs) = (self.subject.name(), format_money(self.ours), format_money(self.theirs));
        let amount = self.amount().map_or_else(|| "beyond all integers".to_owned(), format_money);
        write!(f, "{name}: ours {ours}, the venue's {theirs}, difference {amount}")
    }
}

/// An order that is to be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Our id.
    pub client_order_id: ClientOrderId,
    /// The venue's.
    pub venue_order_id: String,
    /// Of which instrument.
    pub instrument: Name,
    /// Buy or sell.
    pub side: OrderSide,
    /// Market or limit.
    pub order_type: OrderType,
    /// Limit price, 0 for none.
    pub price: i64,
    /// Size; of one that is over, what of it was executed.
    pub size: i64,
}

/// An open order that the venue has otherwise than it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Which.
    pub client_order_id: ClientOrderId,
    /// What of it, for people.
    pub detail: String,
    /// More of it works there than is counted here.
    pub enlarges: bool,
}

impl fmt::Display for Amendment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.client_order_id, self.detail)
    }
}

/// What is at the venue and is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// An order.
    Order(VenueOrder),
    /// An execution.
    Execution(VenueExecution),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Order(order) => write!(f, "{}: order {} is not ours", order.symbol, order.venue_order_id),
            Foreign::Execution(VenueExecution { symbol, trade_id, venue_order_id, .. }) => {
                write!(f, "{symbol}: execution {trade_id} of order {venue_order_id} is not ours")
            }
        }
    }
}

/// What one look found. A match is no finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A difference that what is in flight may explain: looked at again.
    InFlight(Difference),
    /// A difference that nothing in flight explains.
    Differs(Difference),
    /// An execution of one of our orders that was not booked.
    MissedExecution(VenueReport),
    /// A flow that was not booked.
    MissedFlow(VenueFlow),
    /// An order at the venue that bears our prefix, or was executed under it, and that the log does not know.
    Adopt(Orphan),
    /// Executions of an order that nobody knows, and of which the list may lack some yet.
    Incomplete(ClientOrderId, Name),
    /// An order that is open on one side only: the venue is asked about it.
    Unsettled(ClientOrderId),
    /// One of these that is over here, and since when.
    Lingers(ClientOrderId, i64),
    /// An order of which so much is executed as the list of open orders has it, and less here.
    Executed(ClientOrderId, i64),
    /// An open order that the venue has otherwise than it was sent.
    Amended(Amendment),
    /// An order or an execution that is not ours.
    Foreign(Foreign),
}

/// What cannot be compared now: it may be booked on one side and not on the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// Instruments with an order whose fate is not known, or with executions since the look began.
    pub instruments: BTreeSet<Name>,
    /// Currencies that executions since the look began may have moved.
    pub currencies: BTreeSet<Name>,
    /// An order's fate is not known: its fee could be in any currency.
    pub unanswered: bool,
    /// When the look began, on the account's clock.
    pub began_ns: i64,
    /// By how much the venue's lists may lag.
    pub lag_ns: i64,
    /// Orders of [`Finding::Incomplete`], and when the first look began that found them over.
    pub incomplete: BTreeMap<ClientOrderId, i64>,
}

impl Flight {
    fn covers(&self, account: &Account, subject: Subject) -> bool {
        match subject {
            Subject::Position(symbol) => {
                contract_of(account, symbol).is_some_and(|instrument| self.instruments.contains(&instrument))
            }
            Subject::Balance(currency) => self.unanswered || self.currencies.contains(&currency),
        }
    }
}

/// The contract of a symbol. (Of spot the venue has no position, only balances.)
pub(crate) fn contract_of(account: &Account, symbol: Name) -> Option<Name> {
    let mut contracts = account.instruments().filter(|instrument| instrument.kind != ContractKind::Spot);
    contracts.find(|instrument| instrument.symbol == symbol).map(|instrument| instrument.id)
}

/// Compares one look with the account.
pub fn compare(gate: &Gate, look: &VenueLook, flight: &Flight) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut adopted = HashSet::new();
    orders(gate, look, flight, &mut adopted, &mut findings);
    executions(gate, look, flight, &mut adopted, &mut findings);
    let mut seen = HashSet::new();
    let booked = |flow: &VenueFlow| flow.ts_venue_ns <= gate.outside_cut_ns() || gate.knows_flow(&flow.key);
    let missed = look.flows.iter().filter(|flow| !booked(flow));
    findings.extend(missed.filter(|flow| seen.insert(&flow.key)).cloned().map(Finding::MissedFlow));
    findings.extend(differences(gate, &look.state, flight));
    findings
}

fn orders(
    gate: &Gate,
    look: &VenueLook,
    flight: &Flight,
    adopted: &mut HashSet<ClientOrderId>,
    findings: &mut Vec<Finding>,
) {
    let open: HashMap<(Name, &str), ClientOrderId> = (gate.open_orders())
        .filter(|order| !order.venue_order_id.is_empty())
        .map(|order| ((order.request.instrument, &*order.venue_order_id), order.client_order_id))
        .collect();
    let mut listed = HashSet::new();
    for order in &look.orders {
        let owner = || open.get(&(order.instrument?, &*order.venue_order_id)).copied();
        let id = order.client_order_id.or_else(owner);
        let Some(id) = id else {
            findings.push(Finding::Foreign(Foreign::Order(order.clone())));
            continue;
        };
        listed.insert(id);
        match (gate.order(id), order.instrument) {
            (Some(known), _) if known.status.is_final() => {
                if known.ts_ns < flight.began_ns && !gate.is_stray(id) {
                    findings.push(Finding::Unsettled(id));
                    // A list that shows less of it executed than is booked is older than its end.
                    findings.extend((order.filled >= known.filled).then_some(Finding::Lingers(id, known.ts_ns)));
                }
            }
            (Some(known), _) => {
                findings.extend(amendment(gate, &known, order, flight).map(Finding::Amended));
                if order.filled > known.filled {
                    findings.push(Finding::Executed(id, order.filled));
                }
            }
            (None, _) if gate.knows(id) => findings.push(Finding::Unsettled(id)),
            (None, Some(instrument)) if adopted.insert(id) => findings.push(Finding::Adopt(Orphan {
                client_order_id: id,
                venue_order_id: order.venue_order_id.clone(),
                instrument,
                side: order.side,
                order_type: order.order_type,
                price: order.price,
                size: order.size,
            })),
            (None, Some(_)) => {}
            (None, None) => findings.push(Finding::Foreign(Foreign::Order(order.clone()))),
        }
    }
    for order in gate.open_orders() {
        let works = order.status >= OrderStatus::Accepted && order.ts_ns < flight.began_ns;
        if works && !listed.contains(&order.client_order_id) {
            findings.push(Finding::Unsettled(order.client_order_id));
        }
    }
}

/// What of an open order is not as it was sent. A number that is not told, or cannot be read, is none that differs.
fn amendment(gate: &Gate, known: &Order, listed: &VenueOrder, flight: &Flight) -> Option<Amendment> {
    let instrument = gate.account().instrument(known.request.instrument)?;
    let size = |units: i64| base_amount(instrument, units).map_or_else(|| units.to_string(), format_money);
    let price = |units: i64| with_unit(units.into(), instrument.price_decimals, instrument.quote.as_str());
    let differs = |theirs: i64, ours: i64| theirs > 0 && ours > 0 && theirs != ours;
    let mut found = Vec::new();
    if differs(listed.size, known.request.size) {
        found.push(format!("size {}, not {}", size(listed.size), size(known.request.size)));
    }
    if differs(listed.price, known.request.price) {
        found.push(format!("price {}, not {}", price(listed.price), price(known.request.price)));
    }
    let executed_before = known.ts_ns.saturating_add(LISTS_LAG_NS) < flight.began_ns;
    if executed_before && listed.size > 0 && listed.filled < known.filled {
        found.push(format!("{} executed, not {}", size(listed.filled), size(known.filled)));
    }
    let detail = format!("the venue has it with {}", found.join(" and "));
    let enlarges = listed.size > known.request.size;
    (!found.is_empty()).then_some(Amendment { client_order_id: known.client_order_id, detail, enlarges })
}

fn executions(
    gate: &Gate,
    look: &VenueLook,
    flight: &Flight,
    adopted: &mut HashSet<ClientOrderId>,
    findings: &mut Vec<Finding>,
) {
    let owners = owners(gate, look);
    let (mut seen, mut foreign) = (HashSet::new(), HashSet::new());
    let mut over = BTreeMap::<ClientOrderId, (Orphan, Vec<VenueReport>)>::new();
    for execution in &look.executions {
        let owner = || owners.get(&(execution.instrument?, &*execution.venue_order_id)).copied();
        let id = execution.client_order_id.or_else(owner);
        let before = execution.ts_venue_ns <= gate.outside_cut_ns();
        let (Some(id), Some(instrument)) = (id, execution.instrument) else {
            // Of an order that was not answered yet the venue's id is not known here.
            if !before && !flight.unanswered && foreign.insert((execution.symbol, execution.trade_id)) {
                findings.push(Finding::Foreign(Foreign::Execution(execution.clone())));
            }
            continue;
        };
        if gate.knows_execution(id, execution.trade_id) || !seen.insert((id, execution.trade_id)) {
            continue;
        }
        let report = report_of(id, execution);
        if gate.knows(id) || adopted.contains(&id) {
            findings.push(Finding::MissedExecution(report));
        } else if !before {
            let (orphan, reports) =
                over.entry(id).or_insert_with(|| (orphan_of(id, instrument, execution), Vec::new()));
            orphan.size = orphan.size.saturating_add(execution.size);
            reports.push(report);
        }
    }
    for (id, (orphan, reports)) in over {
        // It is as large as its executions: one that is listed later would be too much of it. It was over when it was found first.
        let over_ns = flight.incomplete.get(&id).copied().unwrap_or(flight.began_ns);
        if flight.began_ns.saturating_sub(over_ns) < flight.lag_ns {
            findings.push(Finding::Incomplete(id, orphan.instrument));
            continue;
        }
        adopted.insert(id);
        findings.push(Finding::Adopt(orphan));
        findings.extend(reports.into_iter().map(Finding::MissedExecution));
    }
}

/// Our orders by the venue's ids, where an execution needs that. A venue's ids are unique within an instrument, and at some
/// venues not beyond.
fn owners<'a>(gate: &Gate, look: &'a VenueLook) -> HashMap<(Name, &'a str), ClientOrderId> {
    let unnamed = || look.executions.iter().filter(|execution| execution.client_order_id.is_none());
    let Some(oldest_ns) = unnamed().map(|execution| execution.ts_venue_ns).min() else { return HashMap::new() };
    let mut wanted: HashMap<Name, HashSet<&'a str>> = HashMap::new();
    for execution in unnamed() {
        if let Some(instrument) = execution.instrument {
            wanted.entry(instrument).or_default().insert(&execution.venue_order_id);
        }
    }
    let since_ns = oldest_ns.saturating_sub(ENDED_BEFORE_NS);
    let listed = |order: &'a VenueOrder| Some(((order.instrument?, &*order.venue_order_id), order.client_order_id?));
    let mut owners: HashMap<(Name, &str), ClientOrderId> = look.orders.iter().filter_map(listed).collect();
    let recent = gate.orders_backwards().take_while(|order| order.ts_ns >= since_ns || !order.status.is_final());
    for order in recent.chain(gate.open_orders().cloned()) {
        let instrument = order.request.instrument;
        if let Some(id) = wanted.get(&instrument).and_then(|ids| ids.get(&*order.venue_order_id)) {
            owners.insert((instrument, *id), order.client_order_id);
        }
    }
    owners
}

fn report_of(id: ClientOrderId, execution: &VenueExecution) -> VenueReport {
    let VenueExecution { trade_id, price, size, fee, fee_currency, liquidity, .. } = *execution;
    VenueReport {
        client_order_id: id,
        venue_order_id: execution.venue_order_id.clone(),
        outcome: VenueOutcome::Filled { trade_id, price, size, fee, fee_currency, liquidity },
        ts_venue_ns: execution.ts_venue_ns,
    }
}

/// An order that is over: nothing but its executions is known of it.
fn orphan_of(id: ClientOrderId, instrument: Name, execution: &VenueExecution) -> Orphan {
    Orphan {
        client_order_id: id,
        venue_order_id: execution.venue_order_id.clone(),
        instrument,
        side: execution.side,
        order_type: OrderType::Market,
        price: 0,
        size: 0,
    }
}

/// True for a currency that an instrument of the account is traded or settled in, or that fees were paid in.
pub fn is_traded(gate: &Gate, currency: Name) -> bool {
    let mut instruments = gate.account().instruments();
    instruments.any(|instrument| [instrument.base, instrument.quote, instrument.settle].contains(&currency))
        || gate.fills().iter().any(|fill| fill.fee_currency == currency)
}

/// By our books, and by the venue's; none that does not fit.
pub(super) type Sides = (Option<Money>, Option<Money>);

/// Everything that is compared: an account's positions and balances, and the venue's, as far as it tells them.
pub(super) fn sides(gate: &Gate, account: &Account, state: &VenueState) -> BTreeMap<Subject, Sides> {
    let mut both: BTreeMap<Subject, Sides> = BTreeMap::new();
    let is_told = |subject: &Subject| match subject {
        Subject::Position(_) => !state.without_positions,
        Subject::Balance(_) => !state.without_balances,
    };
    for instrument in account.instruments().filter(|instrument| instrument.kind != ContractKind::Spot) {
        let size = account.position(instrument.id).map_or(0, |position| position.size);
        add(&mut both.entry(Subject::Position(instrument.symbol)).or_insert(NOTHING).0, base_amount(instrument, size));
    }
    for (symbol, size) in gate.positions_elsewhere() {
        add(&mut both.entry(Subject::Position(symbol)).or_insert(NOTHING).0, Some(size));
    }
    for balance in account.balances() {
        add(&mut both.entry(Subject::Balance(balance.currency)).or_insert(NOTHING).0, Some(balance.total));
    }
    for position in &state.positions {
        add(&mut both.entry(Subject::Position(position.symbol)).or_insert(NOTHING).1, Some(position.size));
    }
    for (currency, total) in &state.balances {
        add(&mut both.entry(Subject::Balance(*currency)).or_insert(NOTHING).1, Some(*total));
    }
    both.retain(|subject, _| is_told(subject));
    both
}

/// Positions and balances held against each other, exactly.
pub fn differences(gate: &Gate, state: &VenueState, flight: &Flight) -> Vec<Finding> {
    let account = gate.account();
    let both = sides(gate, account, state);
    let differs = |(subject, (ours, theirs)): (Subject, Sides)| {
        // A sum that does not fit is never equal to anything.
        let whole = ours.is_some() && theirs.is_some();
        let difference = Difference { subject, ours: ours.unwrap_or(Money::MAX), theirs: theirs.unwrap_or(Money::MAX) };
        if whole && ours == theirs {
            return None;
        }
        let in_flight = flight.covers(account, subject);
        Some(if in_flight { Finding::InFlight(difference) } else { Finding::Differs(difference) })
    };
    both.into_iter().filter_map(differs).collect()
}

const NOTHING: Sides = (Some(0), Some(0));

fn add(sum: &mut Option<Money>, amount: Option<Money>) {
    *sum = sum.zip(amount).and_then(|(sum, amount)| sum.checked_add(amount));
}

//! What happens to the orders of a strategy that is no more: it failed for good, or an operator stopped it.
//!
//! Whatever the policy, nothing of its own leaves any more: signals, requests and approvals under way end as refused. What
//! it has open is kept, cancelled, or cancelled and *flattened*: what the portfolio's ledger says it holds, from its own
//! executions and from the venue's word that was accepted, is closed by market orders, which take the way of any order, through
//! risk and the gate. Nothing here sums it a second time.
//!
//! Flattening begins when none of its orders is open, so that no order moves its net under it, and goes on order by order. The
//! id of each is a pure function of what happened (the process's epoch, how often the strategy came back in it, how often what it
//! holds has changed, and its requests' answers since it was lost), so the same step taken twice is one order. None is larger than its room (`room.rs`): what the account
//! itself holds in that direction and, on spot, of the base, less all that is open, approved or asked for as a closing on that
//! side. So closing one strategy's part never opens a position against another's, however many are closed at once; what finds no
//! room waits for it. A refusal by the kill switch or a stop,
//! or by a loss limit of an account that halts there, is final: a resume later must not let loose orders that nobody expects.
//! A refusal that passes by itself (the venue or the market out of sight, a wide spread, room that other orders take, base or
//! money that they hold, rates, a full queue) counts as no try, nor does an order that the venue ended unfilled: it is told,
//! and asked again after a wait that doubles up to [`MOST_WAIT_NS`], for as long as it lasts. Any other refusal, the venue's
//! too, ends it at the [`MOST_TRIES`]th in a row; whatever changes its net behind such an end begins it again, and what the
//! account did not hold is closed once it holds it. Whoever says of a strategy again that it is no more begins all of it again.

use std::collections::BTreeMap;

use libra_kernel::router::Router;
use libra_kernel::{Event, EventType, Name, Payload};
use xxhash_rust::xxh3::xxh3_128;

use crate::gate::{ADOPTED, OnBreach, client_order_id};
use crate::order::{ClientOrderId, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce};
use crate::risk::RiskCode;

use super::flow::before_it_left;
use super::room::{Asked, NoSize};
use super::{Desk, Link};

/// Refusals in a row that say something of the order, before a position is left as it is.
const MOST_TRIES: u32 = 5;
/// Between two tries.
const RETRY_NS: i64 = 1_000_000_000;
/// The longest wait between two requests, while what refuses them lasts.
const MOST_WAIT_NS: i64 = 8_000_000_000;
/// Why a flattening waits whose order the venue ended without an execution.
const UNFILLED: &str = "UNFILLED";
/// Why one is given up that no order can close as things are.
const CANNOT_FLATTEN: &str = "CANNOT_FLATTEN";
/// Why one is given up where a venue refused without a code.
const REFUSED: &str = "REFUSED_BY_VENUE";
/// A request that nobody has answered for so long is made again, under the same id.
const ASK_AGAIN_NS: i64 = 5_000_000_000;

/// Refusals that end flattening: new orders are stopped on purpose, or nobody knows what the account holds.
const STOPS: [RiskCode; 7] = [
    RiskCode::KillSwitch,
    RiskCode::DailyLoss,
    RiskCode::Drawdown,
    RiskCode::Unattended,
    RiskCode::Stopping,
    RiskCode::Incident,
    RiskCode::LogFailed,
];

/// Those of them that a loss limit makes.
const LOSSES: [RiskCode; 2] = [RiskCode::DailyLoss, RiskCode::Drawdown];

/// Refusals that say nothing of the order: what is in its way passes without anyone's doing, and then it may leave.
const PASSES: [RiskCode; 25] = [
    RiskCode::Reconciling,
    RiskCode::Expired,
    // It never came to the venue.
    RiskCode::NotFound,
    // Asked anew, it is held against the new ones.
    RiskCode::LimitsChanged,
    RiskCode::NoMarket,
    RiskCode::StaleMarket,
    RiskCode::PriceCollar,
    // An order that closes is in the way of these only together with others that are open, or that were closed before it.
    RiskCode::OpenOrdersLimit,
    RiskCode::InstrumentOrdersLimit,
    RiskCode::PositionLimit,
    RiskCode::PositionNotionalLimit,
    RiskCode::GrossExposureLimit,
    RiskCode::NetExposureLimit,
    RiskCode::LeverageLimit,
    RiskCode::ConcentrationLimit,
    RiskCode::NoVolume,
    RiskCode::ParticipationLimit,
    // No more was asked for than was there and free: an order that was faster holds it now.
    RiskCode::SpotInventory,
    RiskCode::OrderRate,
    RiskCode::MessageRate,
    RiskCode::StrategyMessageRate,
    RiskCode::QueueFull,
    RiskCode::Pressure,
    // It is started again.
    RiskCode::RiskFailed,
    // A node that vanished leaves a gap first of all.
    RiskCode::BridgeUnsound,
];

/// What to do with the open orders and the position of a strategy that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnVanish {
    /// Leave its open orders where they are.
    Keep,
    /// Cancel its open orders.
    Cancel,
    /// Cancel its open orders, then close what it holds.
    Flatten,
}

/// How far the closing of one instrument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flattening {
    /// An order is on its way, or about to be.
    Working,
    /// Refused for what passes by itself, and asked again: a stable code, and words.
    Waiting(String, String),
    /// The strategy's net is zero.
    Flat,
    /// It was given up: a stable code, and words.
    GivenUp(String, String),
}

#[derive(Debug, Default)]
struct Closing {
    /// How often its strategy had been let in again when it was lost: the answers of before are none to what is asked now.
    returns: u64,
    /// How often the ledger's word on what the strategy holds had changed when it was last looked at.
    changes: u64,
    tries: u32,
    /// Requests that were answered, each way: no two requests behind one change have one id.
    answers: u64,
    /// How long the next wait is, and why it waits, while it is refused for what passes by itself.
    waits: Option<(i64, String, String)>,
    /// The request under way.
    asked: Option<Asked>,
    not_before_ns: i64,
    given_up: Option<(String, String)>,
}

/// What a strategy left that nobody runs any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stranger {
    /// How many of its orders are open.
    pub open_orders: usize,
    /// Signed size that it holds, by instrument, where it is not zero.
    pub nets: BTreeMap<Name, i128>,
}

/// A strategy that is no more.
#[derive(Debug)]
pub struct Vanished {
    /// What becomes of what it left.
    pub policy: OnVanish,
    closings: BTreeMap<Name, Closing>,
}

impl Vanished {
    /// An instrument for which a closing request has no answer yet.
    pub(super) fn asks_for(&self) -> Option<Name> {
        self.closings.iter().find(|(_, closing)| closing.asked.is_some()).map(|(instrument, _)| *instrument)
    }
}

impl Desk {
    /// A strategy is no more. Gives the orders that a gateway outside has to cancel. Said of one that is no more already, the
    /// policy that it had applies again, also to what was given up.
    pub fn vanish(&mut self, router: &mut Router, now_ns: i64, strategy: Name, policy: OnVanish) -> Vec<ClientOrderId> {
        let first = || Vanished { policy, closings: BTreeMap::new() };
        let gone = self.vanished.entry(strategy).or_insert_with(first);
        self.flattened = None;
        gone.closings.values_mut().for_each(Closing::begin_again);
        let policy = gone.policy;
        if policy == OnVanish::Keep {
            self.hold_back_unsent(router, now_ns, strategy);
            return Vec::new();
        }
        let outside = self.cancel_all(router, now_ns, Some(strategy));
        self.pursue_flattening(router, now_ns);
        outside
    }

    /// What is kept is what its venue has: an order that has not begun to leave never does.
    fn hold_back_unsent(&mut self, router: &mut Router, now_ns: i64, strategy: Name) {
        let gate = &self.gate;
        let of = |id: &ClientOrderId| gate.order(*id).is_some_and(|order| order.request.strategy == strategy);
        let own: Vec<ClientOrderId> = self.unsent.keys().copied().filter(of).collect();
        self.gate.begin_together();
        for id in own {
            self.unsent.remove(&id);
            self.hold_back(router, now_ns, id, Some(before_it_left(RiskCode::StrategyStopped)));
        }
        self.force_together();
    }

    /// What strategies left behind that the account does not know any more: the log has their orders open, or they hold
    /// something. What is nobody's (`adopted`) was no strategy's, and is named with its open orders only.
    pub fn strangers(&self) -> BTreeMap<Name, Stranger> {
        let mut left: BTreeMap<Name, Stranger> = BTreeMap::new();
        let is_known = |strategy: &Name| self.strategies.contains(strategy);
        for order in self.gate.open_orders().filter(|order| !is_known(&order.request.strategy)) {
            left.entry(order.request.strategy).or_default().open_orders += 1;
        }
        for (strategy, instrument, net) in self.portfolio.positions() {
            let is_nobodys = strategy.as_str() == ADOPTED && !left.contains_key(&strategy);
            if !is_known(&strategy) && !is_nobodys {
                left.entry(strategy).or_default().nets.insert(instrument, net);
            }
        }
        left
    }

    /// How many orders of a strategy are open, and whether it holds something.
    pub fn left_by(&self, strategy: Name) -> (usize, bool) {
        let open_orders = self.gate.open_orders().filter(|order| order.request.strategy == strategy).count();
        (open_orders, self.portfolio.positions().iter().any(|(whose, _, net)| *whose == strategy && *net != 0))
    }

    /// Strategies that are no more.
    pub fn vanished(&self) -> impl Iterator<Item = (Name, &Vanished)> {
        self.vanished.iter().map(|(strategy, vanished)| (*strategy, vanished))
    }

    /// How far each instrument is that a vanished strategy ever traded; empty unless it is flattened.
    pub fn flattening(&self, strategy: Name) -> impl Iterator<Item = (Name, Flattening)> {
        let closings = self.vanished.get(&strategy).into_iter().flat_map(|gone| &gone.closings);
        closings.map(move |(instrument, closing)| {
            let state = match &closing.given_up {
                Some((code, detail)) => Flattening::GivenUp(code.clone(), detail.clone()),
                None if self.portfolio.position(strategy, *instrument) == 0 => Flattening::Flat,
                None => match &closing.waits {
                    Some((_, code, detail)) if closing.asked.is_none() => {
                        Flattening::Waiting(code.clone(), detail.clone())
                    }
                    _ => Flattening::Working,
                },
            };
            (*instrument, state)
        })
    }

    /// True for a request that closes what a vanished strategy left.
    pub(super) fn is_flattening(&self, request: &OrderRequest) -> bool {
        let closing = self.vanished.get(&request.strategy).and_then(|gone| gone.closings.get(&request.instrument));
        closing.and_then(|closing| closing.asked).is_some_and(|asked| asked.request_id == request.request_id)
    }

    /// Takes the next step of every flattening that may take one.
    #[inline]
    pub(super) fn pursue_flattening(&mut self, router: &mut Router, now_ns: i64) {
        if self.vanished.values().any(|gone| gone.policy == OnVanish::Flatten) {
            self.keep_ledger();
            if !self.is_flattened() {
                self.flatten_all(router, now_ns);
            }
        }
    }

    /// True while nothing happened since the last look found all of it closed, or given up: there is nothing to look for.
    pub(super) fn is_flattened(&self) -> bool {
        self.flattened == Some(self.portfolio.changes_of_all())
    }

    /// When the next request of a flattening is due, where one waits: a market that is silent brings no other reason to
    /// look. In simulated time it would be the only thing left that goes on, and would for ever.
    pub(super) fn next_flattening_ns(&self) -> Option<i64> {
        if self.vanished.is_empty() || self.is_flattened() || matches!(self.link, Link::Paper(_)) {
            return None;
        }
        let is_open = |strategy: &Name| self.gate.count_open_of(*strategy) > 0;
        let due = |(strategy, gone): (&Name, &Vanished)| {
            let waiting = gone.closings.iter().filter(|(instrument, closing)| {
                let waits = closing.given_up.is_none() && closing.asked.is_none() && closing.not_before_ns > 0;
                waits && self.portfolio.position(*strategy, **instrument) != 0
            });
            let first_ns = waiting.map(|(_, closing)| closing.not_before_ns).min()?;
            (gone.policy == OnVanish::Flatten && !is_open(strategy)).then_some(first_ns)
        };
        self.vanished.iter().filter_map(due).min()
    }

    #[cold]
    fn flatten_all(&mut self, router: &mut Router, now_ns: i64) {
        // Out of the desk while its steps look at the rest of it: their requests are handled later, from a mailbox.
        let mut vanished = std::mem::take(&mut self.vanished);
        let mut unjudged = self.unjudged(&vanished);
        for (strategy, gone) in &mut vanished {
            if gone.policy == OnVanish::Flatten && self.gate.count_open_of(*strategy) == 0 {
                self.note_changes(*strategy, gone);
                for (instrument, closing) in &mut gone.closings {
                    self.close(router, now_ns, *strategy, *instrument, closing, &mut unjudged);
                }
            }
        }
        let mut flatten = vanished.iter().filter(|(_, gone)| gone.policy == OnVanish::Flatten);
        let is_done = flatten.all(|(strategy, gone)| self.left_nothing(*strategy, gone));
        self.flattened = is_done.then(|| self.portfolio.changes_of_all());
        self.vanished = vanished;
    }

    /// Nothing of it is open, asked for, or to be closed but where it was given up for good.
    fn left_nothing(&self, strategy: Name, gone: &Vanished) -> bool {
        let rests = |(instrument, closing): (&Name, &Closing)| {
            let is_flat = || self.portfolio.position(strategy, *instrument) == 0;
            let is_over = || closing.given_up.as_ref().is_some_and(|(code, _)| code != CANNOT_FLATTEN);
            closing.asked.is_none() && (is_flat() || is_over())
        };
        self.gate.count_open_of(strategy) == 0 && gone.closings.iter().all(rests)
    }

    /// Closings that were asked for and that nobody has judged: what they will hold stands nowhere yet.
    fn unjudged(&self, vanished: &BTreeMap<Name, Vanished>) -> Vec<Asked> {
        let asked = vanished.values().flat_map(|gone| gone.closings.values()).filter_map(|closing| closing.asked);
        asked.filter(|asked| !self.gate.knows(client_order_id(self.name, asked.request_id))).collect()
    }

    /// What became of its net since it was last looked at: what was given up is tried anew for it.
    fn note_changes(&self, strategy: Name, gone: &mut Vanished) {
        for (instrument, changes) in self.portfolio.changes(strategy) {
            let first = || Closing { returns: self.returns_of(strategy), ..Closing::default() };
            let closing = gone.closings.entry(instrument).or_insert_with(first);
            if std::mem::replace(&mut closing.changes, changes) != changes && !closing.was_stopped() {
                closing.begin_again();
            }
        }
    }

    fn close(
        &self,
        router: &mut Router,
        now_ns: i64,
        strategy: Name,
        instrument: Name,
        closing: &mut Closing,
        unjudged: &mut Vec<Asked>,
    ) {
        let net = self.portfolio.position(strategy, instrument);
        let side = if net > 0 { OrderSide::Sell } else { OrderSide::Buy };
        if let Some((code, _)) = &closing.given_up {
            let never = || matches!(self.closing_size(now_ns, instrument, side, net, unjudged), Err(NoSize::Never(_)));
            if code != CANNOT_FLATTEN || (net != 0 && never()) {
                return;
            }
            closing.begin_again();
        }
        if let Some(asked) = closing.asked {
            let id = client_order_id(self.name, asked.request_id);
            // None of its own is open, so others hold it.
            let money_held = || side == OrderSide::Buy && self.gate.account().is_money_held(instrument);
            match self.gate.order(id).filter(|order| order.status.is_final()) {
                Some(order) => closing.learn(&order, now_ns, self.gate.on_breach(), money_held()),
                None if self.gate.refused_unlogged(id) => {
                    closing.answered();
                    closing.give_up(RiskCode::LogFailed.as_str(), "refused when the log took nothing");
                }
                None => match self.gate.refusal_code(id) {
                    // One of a storm, or one behind which many others came: its code is all that is kept of it.
                    Some(code) => {
                        closing.answered();
                        closing.refused(code.as_str(), code.description(), now_ns, self.gate.on_breach(), money_held());
                    }
                    None if self.gate.knows(id) || now_ns < asked.at_ns.saturating_add(ASK_AGAIN_NS) => return,
                    None => {}
                },
            }
        }
        if net == 0 || closing.given_up.is_some() || now_ns < closing.not_before_ns {
            return;
        }
        // Its own is asked for anew: it does not stand in its own way.
        let before = closing.asked;
        unjudged.retain(|asked| before.is_none_or(|before| asked.request_id != before.request_id));
        let size = match self.closing_size(now_ns, instrument, side, net, unjudged) {
            Ok(size) => size,
            Err(NoSize::Held(code)) => {
                return closing.wait(
                    now_ns,
                    code.as_str(),
                    "other orders, or other closings, hold what it would close",
                );
            }
            Err(NoSize::Share) => {
                let words = "our share of the traded volume has no room for the smallest order";
                return closing.wait(now_ns, RiskCode::ParticipationLimit.as_str(), words);
            }
            Err(NoSize::Never(why)) => return closing.give_up(CANNOT_FLATTEN, why),
        };
        let request_id = self.flatten_id(strategy, instrument, closing);
        let request = OrderRequest {
            request_id,
            signal_id: 0,
            account: self.name,
            strategy,
            instrument,
            side,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            size,
            price: 0,
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        let payload = Payload::shared(request);
        let mut event = Event::new(EventType::OrderRequest, self.sources.portfolio, now_ns, payload);
        event.instrument = instrument;
        if let Some(instrument) = self.gate.account().instrument(instrument) {
            (event.price_decimals, event.size_decimals) = (instrument.price_decimals, instrument.size_decimals);
        }
        if router.publish(event) {
            let larger = before.filter(|before| before.request_id == request_id).map_or(size, |it| it.size.max(size));
            let asked = Asked { request_id, at_ns: now_ns, instrument, side, size: larger };
            closing.asked = Some(asked);
            unjudged.push(asked);
        } else {
            closing.not_before_ns = now_ns.saturating_add(RETRY_NS);
        }
    }

    /// See the module: a pure function of what the log holds.
    fn flatten_id(&self, strategy: Name, instrument: Name, closing: &Closing) -> u128 {
        let mut key = Vec::with_capacity(104);
        for text in ["flatten", self.name.as_str(), strategy.as_str(), instrument.as_str()] {
            key.extend_from_slice(text.as_bytes());
            key.push(0);
        }
        for number in [self.gate.epoch(), closing.returns, closing.changes, closing.answers] {
            key.extend_from_slice(&number.to_le_bytes());
        }
        xxh3_128(&key)
    }
}

impl Closing {
    /// What became of an order of its own.
    fn learn(&mut self, order: &Order, now_ns: i64, on_breach: OnBreach, money_held: bool) {
        self.answered();
        if order.filled > 0 {
            (self.tries, self.waits) = (0, None);
            return;
        }
        if order.status != OrderStatus::Rejected {
            let how = if order.status == OrderStatus::Expired { "it expired" } else { "it was cancelled" };
            let why = [&*order.reason, &*order.detail].into_iter().filter(|words| !words.is_empty());
            let words: Vec<&str> = [how].into_iter().chain(why).collect();
            return self.wait(now_ns, UNFILLED, &words.join(": "));
        }
        self.refused(&order.reason, &order.detail, now_ns, on_breach, money_held);
    }

    /// The request under way has its answer.
    fn answered(&mut self) {
        self.asked = None;
        self.answers += 1;
        self.not_before_ns = 0;
    }

    fn refused(&mut self, reason: &str, detail: &str, now_ns: i64, on_breach: OnBreach, money_held: bool) {
        let code = RiskCode::parse(reason);
        let passes = |code| {
            PASSES.contains(&code)
                || (money_held && code == RiskCode::InsufficientBalance)
                // Where orders that reduce pass, one is refused for a loss only while others reduce already.
                || (on_breach == OnBreach::ReduceOnly && LOSSES.contains(&code))
        };
        if code.is_some_and(passes) {
            return self.wait(now_ns, reason, detail);
        }
        self.waits = None;
        self.tries += 1;
        self.not_before_ns = now_ns.saturating_add(RETRY_NS);
        if code.is_some_and(|code| STOPS.contains(&code)) || self.tries >= MOST_TRIES {
            self.give_up(if reason.is_empty() { REFUSED } else { reason }, detail);
        }
    }

    /// True for one that was given up since new orders are stopped.
    fn was_stopped(&self) -> bool {
        let code = self.given_up.as_ref().and_then(|(code, _)| RiskCode::parse(code));
        code.is_some_and(|code| STOPS.contains(&code))
    }

    /// What was given up is tried as if for the first time; what is under way goes on.
    fn begin_again(&mut self) {
        if self.given_up.take().is_some() {
            (self.tries, self.waits, self.not_before_ns) = (0, None, 0);
        }
    }

    /// What is in its way passes by itself.
    fn wait(&mut self, now_ns: i64, code: &str, detail: &str) {
        let wait_ns = self.waits.as_ref().map_or(RETRY_NS, |(wait_ns, ..)| (wait_ns * 2).min(MOST_WAIT_NS));
        self.not_before_ns = now_ns.saturating_add(wait_ns);
        self.waits = Some((wait_ns, code.to_owned(), detail.to_owned()));
    }

    fn give_up(&mut self, code: &str, detail: &str) {
        self.given_up = Some((code.to_owned(), detail.to_owned()));
    }
}

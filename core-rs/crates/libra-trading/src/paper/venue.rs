//! The paper venue's face: messages to it and from it, each with its latency, and what it answers when asked.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use libra_kernel::Name;
use libra_kernel::alarm::Alarm;
use libra_kernel::event::{Event, Payload};
use libra_market::book::{BookOutcome, BookUpdate};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::config::PaperConfig;
use super::market::MarketView;
use super::record::{OpenOrder, Record};
use crate::instrument::Instrument;
use crate::order::{ClientOrderId, Fill, Order, OrderRequest, OrderSide, VenueOutcome, VenueReport};

/// Counts of what came in and could not be used as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaperStats {
    /// Book frames applied.
    pub book_applied: u64,
    /// Book frames older than the book.
    pub book_stale: u64,
    /// Gaps: the book was dropped.
    pub book_gaps: u64,
    /// Book deltas without a snapshot to apply them to.
    pub book_unsynced: u64,
    /// Crossed books: dropped.
    pub book_crossed: u64,
    /// Quotes with the bid above the ask: not used.
    pub quotes_crossed: u64,
    /// Events in other decimals than the instrument's: not used.
    pub wrong_decimals: u64,
}

/// One instrument at the venue.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) instrument: Instrument,
    pub(super) view: MarketView,
    /// Working orders by (price, the better first; arrival): buys, sells.
    pub(super) resting: [BTreeMap<(i64, u64), ClientOrderId>; 2],
    pub(super) position: i64,
}

#[derive(Debug)]
enum Action {
    Submit(ClientOrderId, Box<OrderRequest>),
    Cancel(ClientOrderId),
}

/// A venue for one account whose matching runs against recorded or live market data.
#[derive(Debug)]
pub struct PaperVenue {
    pub(super) config: PaperConfig,
    pub(super) markets: Vec<Market>,
    by_name: HashMap<Name, usize>,
    /// Looked up by id only: no output follows the order of this map.
    pub(super) records: HashMap<ClientOrderId, Box<Record>>,
    /// On their way to the venue, `(due, action)`, in order.
    outbound: VecDeque<(i64, Action)>,
    /// On their way to us, `(visible, report)`, in order.
    inbound: VecDeque<(i64, VenueReport)>,
    /// The latest time that the venue has seen.
    pub(super) clock_ns: i64,
    pub(super) next_trade_id: u64,
    pub(super) next_arrival: u64,
    jitter_draws: u64,
    stats: PaperStats,
    /// While it is raised no order is taken.
    alarm: Option<Arc<Alarm>>,
}

impl PaperVenue {
    /// A venue that knows `instruments` and no order yet.
    pub fn new(config: PaperConfig, instruments: Vec<Instrument>) -> Self {
        let by_name = instruments.iter().enumerate().map(|(at, instrument)| (instrument.id, at)).collect();
        let market = |instrument| Market {
            instrument,
            view: MarketView::new(),
            resting: [BTreeMap::new(), BTreeMap::new()],
            position: 0,
        };
        PaperVenue {
            next_trade_id: config.first_trade_id,
            config,
            markets: instruments.into_iter().map(market).collect(),
            by_name,
            records: HashMap::new(),
            outbound: VecDeque::new(),
            inbound: VecDeque::new(),
            clock_ns: i64::MIN,
            next_arrival: 1,
            jitter_draws: 0,
            stats: PaperStats::default(),
            alarm: None,
        }
    }

    /// The venue's configuration.
    pub fn config(&self) -> &PaperConfig {
        &self.config
    }

    /// Takes in a market event before anyone else sees it, and fills resting orders by it. Other events are ignored. It
    /// happens at `now_ns`, whatever time the event bears: that is a clock of somebody else, and may be wrong.
    pub fn on_market(&mut self, now_ns: i64, event: &Event) {
        let book = event.payload.downcast::<BookUpdate>();
        if book.is_none() && !matches!(event.payload, Payload::Quote(_) | Payload::Trade(_)) {
            return;
        }
        self.execute_until(now_ns, false);
        let Some(at) = self.market_of(event.instrument) else { return };
        self.clock_ns = self.clock_ns.max(now_ns);
        let now_ns = self.clock_ns;
        let market = &mut self.markets[at];
        let decimals = (market.instrument.price_decimals, market.instrument.size_decimals);
        if (event.price_decimals, event.size_decimals) != decimals {
            self.stats.wrong_decimals += 1;
            return;
        }
        match &event.payload {
            Payload::Quote(quote) if quote.bid > quote.ask && quote.ask > 0 => self.stats.quotes_crossed += 1,
            Payload::Quote(quote) => {
                market.view.last_ns = now_ns;
                market.view.on_quote(quote, now_ns);
                self.match_shown(at);
            }
            Payload::Trade(trade) => {
                market.view.last_ns = now_ns;
                self.match_trade(at, trade);
            }
            _ => {
                let Some(update) = book else { return };
                market.view.last_ns = now_ns;
                match market.view.on_book(update, now_ns) {
                    BookOutcome::Applied => {
                        self.stats.book_applied += 1;
                        self.match_shown(at);
                    }
                    BookOutcome::Stale => self.stats.book_stale += 1,
                    BookOutcome::Gap => self.stats.book_gaps += 1,
                    BookOutcome::NotSynced => self.stats.book_unsynced += 1,
                    BookOutcome::Crossed => self.stats.book_crossed += 1,
                }
            }
        }
    }

    /// Sends an order to the venue.
    pub fn submit(&mut self, now_ns: i64, order: &Order) {
        self.send(now_ns, Action::Submit(order.client_order_id, Box::new(order.request.clone())));
    }

    /// Sends a cancel to the venue.
    pub fn cancel(&mut self, now_ns: i64, id: ClientOrderId) {
        self.send(now_ns, Action::Cancel(id));
    }

    /// The account's alarm: while it is raised, no order that arrives is taken.
    pub fn set_alarm(&mut self, alarm: Arc<Alarm>) {
        self.alarm = Some(alarm);
    }

    pub(super) fn is_alarmed(&self) -> bool {
        self.alarm.as_ref().is_some_and(|alarm| alarm.is_raised())
    }

    /// Takes orders back that are still on their way to the venue; gives what became of them.
    pub fn recall(&mut self, now_ns: i64) -> Vec<VenueReport> {
        let mut recalled = Vec::new();
        self.outbound.retain(|(_, action)| match action {
            Action::Submit(id, _) => {
                let (code, detail) = ("KILL_SWITCH".to_owned(), "recalled on its way to the venue".to_owned());
                let outcome = VenueOutcome::Rejected { code, detail };
                let (client_order_id, venue_order_id) = (*id, String::new());
                recalled.push(VenueReport { client_order_id, venue_order_id, outcome, ts_venue_ns: now_ns });
                false
            }
            Action::Cancel(_) => true,
        });
        recalled
    }

    /// When the next message arrives, there or here.
    pub fn next_due_ns(&self) -> Option<i64> {
        let out = self.outbound.front().map(|(due, _)| *due);
        let back = self.inbound.front().map(|(due, _)| *due);
        out.into_iter().chain(back).min()
    }

    /// Lets time pass up to `now_ns`: what reached the venue by then is executed, and the reports that reached us by then
    /// are added to `out`.
    pub fn advance(&mut self, now_ns: i64, out: &mut Vec<VenueReport>) {
        self.execute_until(now_ns, true);
        self.clock_ns = self.clock_ns.max(now_ns);
        while self.inbound.front().is_some_and(|(visible, _)| *visible <= now_ns) {
            out.extend(self.inbound.pop_front().map(|(_, report)| report));
        }
    }

    /// What the venue knows of an order at this moment, from its acceptance to its end; `NotFound` where it never
    /// arrived. An order on its way has not arrived.
    pub fn query(&self, id: ClientOrderId) -> Vec<VenueReport> {
        match self.records.get(&id) {
            Some(record) => record.reports(id),
            None => vec![VenueReport {
                client_order_id: id,
                venue_order_id: String::new(),
                outcome: VenueOutcome::NotFound,
                ts_venue_ns: self.clock_ns,
            }],
        }
    }

    /// The orders that work, in the order of their arrival.
    pub fn open_orders(&self) -> Vec<OpenOrder> {
        let ids = self.markets.iter().flat_map(|market| market.resting.iter().flat_map(|side| side.iter()));
        let mut open: Vec<(u64, ClientOrderId)> = ids.map(|((_, arrival), id)| (*arrival, *id)).collect();
        open.sort_unstable();
        let order = |(_, id)| {
            let record = self.records.get(&id)?;
            Some(OpenOrder {
                client_order_id: id,
                venue_order_id: record.venue_order_id.clone(),
                instrument: record.request.instrument,
                request: record.request.clone(),
                filled: record.filled,
            })
        };
        open.into_iter().filter_map(order).collect()
    }

    /// The fills of an order since this venue was made.
    pub fn fills_of(&self, id: ClientOrderId) -> &[Fill] {
        self.records.get(&id).map_or(&[], |record| &record.fills)
    }

    /// Signed size of each instrument held, in the order of the instruments; flat ones are left out.
    pub fn positions(&self) -> Vec<(Name, i64)> {
        self.markets.iter().filter(|m| m.position != 0).map(|m| (m.instrument.id, m.position)).collect()
    }

    /// What could not be used, counted.
    pub fn stats(&self) -> PaperStats {
        self.stats
    }

    pub(super) fn market_of(&self, instrument: Name) -> Option<usize> {
        self.by_name.get(&instrument).copied()
    }

    /// The next place in the order of arrival.
    pub(super) fn arrival(&mut self) -> u64 {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        arrival
    }

    /// The key of a price among the working orders of a side: the better one first.
    pub(super) fn price_key(side: OrderSide, price: i64) -> i64 {
        match side {
            OrderSide::Buy => !price,
            OrderSide::Sell => price,
        }
    }

    pub(super) fn rest(&mut self, at: usize, id: ClientOrderId, side: OrderSide, price: i64, arrival: u64) {
        self.markets[at].resting[side as usize].insert((Self::price_key(side, price), arrival), id);
    }

    /// Sends a report to us.
    pub(super) fn report(&mut self, id: ClientOrderId, venue_order_id: String, outcome: VenueOutcome) {
        let report = VenueReport { client_order_id: id, venue_order_id, outcome, ts_venue_ns: self.clock_ns };
        let visible = self.delayed(self.clock_ns, self.config.latency_in_ns);
        let visible = self.inbound.back().map_or(visible, |(last, _)| visible.max(*last));
        self.inbound.push_back((visible, report));
    }

    fn send(&mut self, now_ns: i64, action: Action) {
        let due = self.delayed(now_ns, self.config.latency_out_ns);
        let due = self.outbound.back().map_or(due, |(last, _)| due.max(*last));
        self.outbound.push_back((due, action));
    }

    fn delayed(&mut self, from_ns: i64, latency_ns: i64) -> i64 {
        let mut delay = latency_ns.max(0);
        if let Ok(span @ 1..) = u64::try_from(self.config.latency_jitter_ns) {
            self.jitter_draws += 1;
            let draw = xxh3_64_with_seed(&self.jitter_draws.to_le_bytes(), self.config.seed);
            delay = delay.saturating_add_unsigned(draw % span.saturating_add(1));
        }
        from_ns.saturating_add(delay)
    }

    /// Executes what reached the venue before `until_ns`, and at it where `inclusive`, each at its own time.
    fn execute_until(&mut self, until_ns: i64, inclusive: bool) {
        while self.outbound.front().is_some_and(|(due, _)| *due < until_ns || (inclusive && *due == until_ns)) {
            let Some((due, action)) = self.outbound.pop_front() else { return };
            self.clock_ns = self.clock_ns.max(due);
            match action {
                Action::Submit(id, request) => self.execute(id, *request),
                Action::Cancel(id) => self.execute_cancel(id),
            }
        }
    }
}

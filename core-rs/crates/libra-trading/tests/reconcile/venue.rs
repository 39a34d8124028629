//! The venue, and the truth: one contract, one currency, orders of ours and of others.

use std::collections::BTreeMap;

use libra_kernel::Name;
use libra_trading::instrument::Money;
use libra_trading::order::{ClientOrderId, Liquidity, OrderSide, OrderType, VenueOutcome, VenueReport};
use libra_trading::reconcile::{FlowKind, VenueExecution, VenueFlow, VenueOrder, VenuePosition, VenueState};

use crate::samples::{contract, money};

/// Money of one price unit times one size unit: two price decimals, three size decimals, twelve of money.
const WORTH: Money = 10_000_000;
/// Base units of one size unit.
const BASE: Money = 1_000_000_000;

#[derive(Clone, Debug)]
pub struct Placed {
    pub ours: Option<ClientOrderId>,
    pub venue_id: String,
    pub side: OrderSide,
    pub price: i64,
    pub size: i64,
    pub filled: i64,
    pub open: bool,
}

pub struct Venue {
    pub now_ns: i64,
    /// By the venue's number.
    pub orders: BTreeMap<u64, Placed>,
    pub trades: Vec<VenueExecution>,
    pub flows: Vec<VenueFlow>,
    pub wallet: Money,
    pub size: i64,
    pub cost: Money,
    /// When somebody else traded last.
    pub foreign_ns: i64,
    /// So long after it happened a list tells of something.
    pub lag_ns: i64,
    /// Of a currency that the account trades nothing in.
    pub apart: Money,
    /// What it cuts the basis of what is closed to; 0 for money's twelve decimals.
    unit: Money,
}

pub fn usdt() -> Name {
    Name::intern("USDT")
}

impl Venue {
    pub fn new(now_ns: i64, unit: Money) -> Venue {
        Venue {
            now_ns,
            lag_ns: 0,
            apart: 0,
            unit,
            orders: BTreeMap::new(),
            trades: Vec::new(),
            flows: Vec::new(),
            wallet: money(1_000_000),
            size: 0,
            cost: 0,
            foreign_ns: i64::MIN,
        }
    }

    pub fn place(&mut self, ours: Option<ClientOrderId>, side: OrderSide, price: i64, size: i64) -> u64 {
        let number = self.orders.len() as u64;
        let placed = Placed { ours, venue_id: format!("v{number}"), side, price, size, filled: 0, open: true };
        self.orders.insert(number, placed);
        number
    }

    /// Executes a part of an order, and gives the report of it where it is ours.
    pub fn execute(&mut self, number: u64, size: i64, fee: Money) -> Option<VenueReport> {
        let trade_id = self.trades.len() as u64 + 1;
        let placed = self.orders.get_mut(&number)?;
        let size = size.min(placed.size - placed.filled);
        placed.filled += size;
        placed.open = placed.filled < placed.size;
        let placed = placed.clone();
        self.book(placed.side, placed.price, size, fee);
        if placed.ours.is_none() {
            self.foreign_ns = self.now_ns;
        }
        let instrument = contract("BTC", "venue");
        self.trades.push(VenueExecution {
            client_order_id: placed.ours,
            venue_order_id: placed.venue_id.clone(),
            trade_id,
            symbol: instrument.symbol,
            instrument: Some(instrument.id),
            side: placed.side,
            price: placed.price,
            size,
            fee,
            fee_currency: usdt(),
            liquidity: Liquidity::Maker,
            ts_venue_ns: self.now_ns,
        });
        let trade = self.trades.last()?;
        placed.ours.map(|id| fill_report(id, trade))
    }

    /// The basis of what is closed leaves in its share, cut to its unit; the rest of the way is sums.
    fn book(&mut self, side: OrderSide, price: i64, size: i64, fee: Money) {
        let signed = size * side.sign();
        self.wallet -= fee;
        let closing = if self.size.signum() == -signed.signum() { size.min(self.size.abs()) } else { 0 };
        if closing > 0 {
            let share = self.cost * Money::from(closing) / Money::from(self.size.abs());
            let share = share - share % self.unit.max(1);
            let traded = Money::from(price) * Money::from(closing * side.sign()) * WORTH;
            self.wallet += -traded - share;
            self.cost -= share;
            self.size += closing * side.sign();
        }
        let opening = (size - closing) * side.sign();
        self.cost += Money::from(price) * Money::from(opening) * WORTH;
        self.size += opening;
    }

    pub fn cancel(&mut self, number: u64) {
        if let Some(placed) = self.orders.get_mut(&number) {
            placed.open = false;
        }
    }

    pub fn flow(&mut self, kind: FlowKind, amount: Money) {
        self.wallet += amount;
        let key = format!("flow-{}", self.flows.len());
        let symbol = contract("BTC", "venue").symbol;
        self.flows.push(VenueFlow { key, kind, currency: usdt(), amount, symbol, ts_venue_ns: self.now_ns });
    }

    /// Executions since a time, as far as the list tells of them by now.
    pub fn listed_trades(&self, since_ns: i64) -> Vec<VenueExecution> {
        let told =
            |trade: &&VenueExecution| since_ns <= trade.ts_venue_ns && trade.ts_venue_ns + self.lag_ns <= self.now_ns;
        self.trades.iter().filter(told).cloned().collect()
    }

    /// Flows since a time, as far as the list tells of them by now.
    pub fn listed_flows(&self, since_ns: i64) -> Vec<VenueFlow> {
        let told = |flow: &&VenueFlow| since_ns <= flow.ts_venue_ns && flow.ts_venue_ns + self.lag_ns <= self.now_ns;
        self.flows.iter().filter(told).cloned().collect()
    }

    pub fn open_orders(&self) -> Vec<VenueOrder> {
        let instrument = contract("BTC", "venue");
        let shown = |placed: &Placed| VenueOrder {
            client_order_id: placed.ours,
            venue_order_id: placed.venue_id.clone(),
            symbol: instrument.symbol,
            instrument: Some(instrument.id),
            side: placed.side,
            order_type: OrderType::Limit,
            price: placed.price,
            size: placed.size,
            filled: placed.filled,
            ts_venue_ns: self.now_ns,
        };
        self.orders.values().filter(|placed| placed.open).map(shown).collect()
    }

    /// Positions and balances. Where a stranger will go by its average price, the venue goes by what it has shown itself.
    pub fn state(&mut self, shown_counts: bool) -> VenueState {
        let mut positions = Vec::new();
        if self.size != 0 {
            let base = Money::from(self.size) * BASE;
            let entry = self.cost * 1_000 / Money::from(self.size);
            if shown_counts {
                let thousandths = entry * Money::from(self.size);
                let (half, sign) = (500, thousandths.signum());
                self.cost = (thousandths.abs() + half) / 1_000 * sign;
            }
            positions.push(VenuePosition {
                symbol: contract("BTC", "venue").symbol,
                size: base,
                entry_price: Some(entry),
            });
        }
        let mut balances = vec![(usdt(), self.wallet)];
        balances.extend((self.apart != 0).then(|| (Name::intern("LDUSDT"), self.apart)));
        VenueState { positions, balances, ts_venue_ns: self.now_ns, unit: self.unit, ..VenueState::default() }
    }

    /// The answer to a question about one order.
    pub fn query(&self, id: ClientOrderId) -> Vec<VenueReport> {
        let say = |venue_order_id: &str, outcome| VenueReport {
            client_order_id: id,
            venue_order_id: venue_order_id.to_owned(),
            outcome,
            ts_venue_ns: self.now_ns,
        };
        let Some(placed) = self.orders.values().find(|placed| placed.ours == Some(id)) else {
            return vec![say("", VenueOutcome::NotFound)];
        };
        let mut told = vec![say(&placed.venue_id, VenueOutcome::Accepted)];
        told.extend(self.trades.iter().filter(|t| t.client_order_id == Some(id)).map(|trade| fill_report(id, trade)));
        if !placed.open && placed.filled < placed.size {
            told.push(say(&placed.venue_id, VenueOutcome::Cancelled { reason: "VENUE".to_owned() }));
        }
        told
    }
}

pub fn fill_report(id: ClientOrderId, trade: &VenueExecution) -> VenueReport {
    let VenueExecution { trade_id, price, size, fee, fee_currency, liquidity, .. } = *trade;
    VenueReport {
        client_order_id: id,
        venue_order_id: trade.venue_order_id.clone(),
        outcome: VenueOutcome::Filled { trade_id, price, size, fee, fee_currency, liquidity },
        ts_venue_ns: trade.ts_venue_ns,
    }
}

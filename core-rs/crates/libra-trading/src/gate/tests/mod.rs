//! Tests of the gate.
//!
//! - `rules` — every reason for a refusal; `life` — an order's way, kill latch, losses, restarts;
//! - `follow` — a log read while it grows;
//! - `format` — the file's bytes; `crash` — a file cut at every byte; `edges` — what hardly ever happens;
//! - `limits` — all instruments together, volume, rates, and limits that change;
//! - `parts` — what one strategy's storm leaves the others;
//! - `history` — orders that are over, in little memory; `beyond` — storms of refusals;
//! - `forked` — processes that the log's owner forks;
//! - `recent` — what a restart goes on counting; `waiting` — limits asked again of an order that has not left;
//! - `reconcile`, `rounding`, `taken_over` — what is taken over from the venue;
//! - `marks` — quotes that are too old; `day` — what losses are measured by: days, peaks, equity that is not known yet, clocks that differ;
//! - `model` — random runs with restarts against a simple truth.

mod amended;
mod beyond;
mod breach;
mod bridge;
mod concluded;
mod crash;
mod day;
mod edges;
mod follow;
mod forked;
mod format;
mod history;
mod life;
mod limits;
mod marks;
mod model;
mod parts;
mod recall;
mod recent;
mod reconcile;
mod redefined;
mod rounding;
mod rules;
mod share;
mod synced;
mod taken_over;
mod waiting;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use libra_kernel::Name;

use crate::instrument::tests::btc;
use crate::instrument::{ContractKind, Instrument, Money};
use crate::order::{
    ClientOrderId, Liquidity, OrderRequest, OrderSide, OrderType, TimeInForce, VenueOutcome, VenueReport,
};
use crate::risk::{LimitChange, Rejection, RiskLimits};

use super::limits::LimitsChanged;
use super::{Approval, Gate, GateConfig, GateEvent, LogConfig, Recovered, SyncPolicy};

pub const T0: i64 = 1_700_000_000_000_000_000;
pub const SECOND: i64 = 1_000_000_000;
pub const PRICE: i64 = 6_000_000;

pub use crate::samples::money;

pub fn name(text: &str) -> Name {
    Name::intern(text)
}

pub fn linear() -> Instrument {
    btc()
}

pub fn spot() -> Instrument {
    crate::samples::asset("BTC", "binance")
}

pub fn config(limits: RiskLimits) -> GateConfig {
    GateConfig {
        limits,
        instruments: vec![linear(), spot()],
        opening: vec![(name("USDT"), money(10_000))],
        refusals_per_second: 0,
        ..GateConfig::new(name("main"))
    }
}

/// A gate in memory with a quote of 60,000.00 / 60,000.10 on both instruments.
pub fn gate(limits: RiskLimits) -> Gate {
    let (mut gate, _) = Gate::open(config(limits), T0).unwrap();
    quote(&mut gate, T0);
    gate
}

pub fn quote(gate: &mut Gate, ts_ns: i64) {
    for instrument in [linear().id, spot().id] {
        gate.on_quote(instrument, PRICE, PRICE + 10, ts_ns, ts_ns);
    }
}

pub fn limit(request_id: u128, side: OrderSide, size: i64, price: i64) -> OrderRequest {
    OrderRequest {
        request_id,
        signal_id: 0,
        account: name("main"),
        strategy: name("sma"),
        instrument: linear().id,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        size,
        price,
        deadline_ns: 0,
        ts_origin_ns: 0,
    }
}

pub fn buy(request_id: u128, size: i64) -> OrderRequest {
    limit(request_id, OrderSide::Buy, size, PRICE)
}

pub fn sell(request_id: u128, size: i64) -> OrderRequest {
    limit(request_id, OrderSide::Sell, size, PRICE)
}

pub fn on_spot(request: OrderRequest) -> OrderRequest {
    OrderRequest { instrument: spot().id, ..request }
}

/// A change of limits as the log has it.
pub fn limits_changed() -> LimitsChanged {
    let change = |key: &str, old: Option<&str>, new: Option<&str>| LimitChange {
        key: key.into(),
        old: old.map(Into::into),
        new: new.map(Into::into),
    };
    let changes = vec![change("max_open_orders", Some("9"), Some("5")), change("max_leverage", None, Some("2"))];
    LimitsChanged { now_ns: T0, who: "ops".into(), confirmed: true, version: 2, changes }
}

/// Reserves and spends.
pub fn place(gate: &mut Gate, now_ns: i64, request: &OrderRequest) -> Result<ClientOrderId, Rejection> {
    let approval: Approval = gate.reserve(now_ns, request)?;
    gate.spend(now_ns, &approval).map(|order| order.client_order_id)
}

pub fn report(id: ClientOrderId, outcome: VenueOutcome) -> VenueReport {
    VenueReport { client_order_id: id, venue_order_id: String::new(), outcome, ts_venue_ns: T0 }
}

pub fn filled(id: ClientOrderId, trade_id: u64, price: i64, size: i64) -> VenueReport {
    let fee_currency = name("USDT");
    let liquidity = Liquidity::Taker;
    report(id, VenueOutcome::Filled { trade_id, price, size, fee: money(0), fee_currency, liquidity })
}

/// Buys or sells at once.
pub fn trade(gate: &mut Gate, request: &OrderRequest, price: i64) -> Vec<GateEvent> {
    let id = place(gate, T0, request).unwrap();
    gate.on_report(T0, &filled(id, 1, price, request.size)).unwrap()
}

/// A path in the system's directory for temporary files, gone with the value.
pub struct TempLog(pub PathBuf);

impl TempLog {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("libra-gate-{}-{count}.log", std::process::id()));
        let _ = std::fs::remove_file(&path);
        TempLog(path)
    }

    pub fn config(&self, limits: RiskLimits) -> GateConfig {
        GateConfig { log: LogConfig::File { path: self.0.clone(), sync: SyncPolicy::None }, ..config(limits) }
    }

    pub fn open(&self, limits: RiskLimits, now_ns: i64) -> (Gate, Recovered) {
        let (mut gate, recovered) = Gate::open(self.config(limits), now_ns).unwrap();
        quote(&mut gate, now_ns);
        (gate, recovered)
    }
}

impl Drop for TempLog {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

//! The account held against the truth: everything that the gate can be asked, to the last unit.

use std::collections::BTreeSet;

use libra_trading::desk::{Desk, Flattening};
use libra_trading::gate::Gate;
use libra_trading::order::{ClientOrderId, Fill, OrderStatus};

use crate::truth::{Row, Truth, sign};

macro_rules! same {
    ($what:expr, $account:expr, $truth:expr) => {
        let (account, truth) = (&$account, &$truth);
        if account != truth {
            return Err(format!("{}: the account says {account:?}, the truth is {truth:?}", $what));
        }
    };
}

fn row(fill: &Fill) -> Row {
    Row {
        order: fill.client_order_id,
        trade: fill.trade_id,
        instrument: fill.instrument,
        sign: sign(fill.side),
        price: fill.price,
        size: fill.size,
        fee: fill.fee,
        fee_currency: fill.fee_currency,
    }
}

impl Truth {
    /// Compares everything; an error names the first thing that differs.
    pub fn compare(&self, gate: &Gate) -> Result<(), String> {
        self.compare_orders(gate)?;
        same!("fills", gate.fills().iter().map(|fill| row(&fill)).collect::<Vec<_>>(), self.rows);
        for instrument in &self.instruments {
            let position = gate.account().position(instrument.id).ok_or("an instrument is gone")?;
            let (size, cost, realised) = self.position(instrument.id);
            same!(instrument.id, (position.size, position.cost, position.realised), (size, cost, realised));
            same!(
                format!("reserved of {}", instrument.id),
                gate.reserved(instrument.id),
                Some(self.held(instrument.id))
            );
        }
        for balance in gate.account().balances() {
            let currency = balance.currency;
            same!(format!("total of {currency}"), balance.total, self.total(currency));
            same!(format!("realised in {currency}"), balance.realised, self.realised(currency));
            same!(format!("fees in {currency}"), balance.fees, self.fees(currency));
            same!(format!("reserved of {currency}"), balance.reserved, self.reserved(currency));
        }
        same!("strays", gate.strays().collect::<BTreeSet<_>>(), self.strays);
        same!("an incident", gate.incident().is_some(), self.incident);
        same!("the kill latch", gate.is_killed(), self.killed);
        same!("what the log is owed", gate.owed(), self.memory.owed.len());
        same!("a log that failed", gate.log_failed(), self.memory.log_failed);
        same!("approvals", gate.outstanding(), self.memory.approvals.len());
        same!("reconciling", gate.is_reconciling(), self.memory.reconciling);
        Ok(())
    }

    /// What each strategy is believed to hold is what its orders had executed and the venue's word left it, whatever of it
    /// still waits to be heard; and the sum of it is what the account holds.
    pub fn compare_portfolio(&self, desk: &Desk) -> Result<(), String> {
        let portfolio = desk.portfolio();
        for instrument in &self.instruments {
            let held = desk.gate().account().position(instrument.id).map(|position| i128::from(position.size));
            let believed = portfolio.positions().into_iter().filter(|(_, id, _)| *id == instrument.id);
            same!(
                format!("{} of all strategies", instrument.id),
                held,
                Some(believed.map(|(.., size)| size).sum::<i128>())
            );
        }
        for instrument in &self.instruments {
            let held = self.holdings(instrument.id);
            for &strategy in &self.strategies {
                let known = portfolio.position(strategy, instrument.id);
                let held = held.get(&strategy).copied().unwrap_or(0);
                same!(format!("{} of {strategy} in the portfolio", instrument.id), known, i128::from(held));
            }
        }
        let says_flat = |desk: &Desk| {
            let gone = self.strategies.iter().flat_map(|&strategy| {
                desk.flattening(strategy).map(move |(instrument, state)| (strategy, instrument, state))
            });
            gone.filter(|(.., state)| *state == Flattening::Flat).map(|(of, at, _)| (of, at)).collect::<Vec<_>>()
        };
        for (strategy, instrument) in says_flat(desk) {
            let held = self.holdings(instrument).get(&strategy).copied().unwrap_or(0);
            same!(format!("{instrument} of {strategy}, said to be flat"), held, 0);
        }
        Ok(())
    }

    fn compare_orders(&self, gate: &Gate) -> Result<(), String> {
        let mut known = 0;
        for (id, asked) in &self.asked {
            let (Some(outcome), Some(order)) = (&asked.outcome, gate.order(*id)) else {
                same!(format!("the outcome of {id}"), gate.order(*id).is_some(), asked.outcome.is_some());
                same!(
                    format!("{id} is known"),
                    gate.knows(*id),
                    self.memory.approvals.contains_key(id) || self.memory.unlogged.contains(id)
                );
                continue;
            };
            known += 1;
            same!(format!("status of {id}"), order.status, outcome.status);
            same!(format!("content of {id}"), order.request, asked.request);
            same!(format!("venue's id of {id}"), order.venue_order_id, outcome.venue_id);
            same!(format!("filled of {id}"), order.filled, self.filled(*id));
            let rows = || self.rows.iter().filter(|row| row.order == *id);
            let notional = rows().map(|row| self.instrument(row.instrument).notional(row.price, row.size).unwrap_or(0));
            same!(format!("notional of {id}"), order.filled_notional, notional.sum::<i128>());
            same!(format!("fees of {id}"), order.fees, rows().map(|row| row.fee).sum::<i128>());
            if order.status == OrderStatus::Rejected && order.reason.is_empty() {
                return Err(format!("{id} was rejected without a reason"));
            }
        }
        same!("orders and refusals", gate.orders().count(), known);
        let mut open: Vec<_> = gate.open_orders().map(|order| order.client_order_id).collect();
        open.sort_unstable();
        same!("open orders", open, self.open());
        let pending = |id: &ClientOrderId| self.outcome(*id).is_some_and(|outcome| outcome.cancel_pending);
        let mut uncancelled: Vec<_> = gate.uncancelled_orders().map(|order| order.client_order_id).collect();
        uncancelled.sort_unstable();
        let ours: Vec<_> = self.open().into_iter().filter(|id| !pending(id)).collect();
        same!("open orders whose cancel is not under way", uncancelled, ours);
        Ok(())
    }
}

//! What may be asked of an account: orders, fills, positions, balances, counts.

use std::sync::Arc;

use libra_kernel::Name;
use libra_trading::account::Balance;
use libra_trading::desk::Desk;
use libra_trading::order::{ClientOrderId, Fill, Order};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::{AccountGroup, parse_id};
use crate::decimal;
use crate::trading::{self, PyFill, PyOrder, money};

/// Instrument, best bid and best ask.
type TopOfBook = (&'static str, Py<PyAny>, Py<PyAny>);

#[pymethods]
impl AccountGroup {
    #[getter]
    fn name(&self) -> &'static str {
        self.name.as_str()
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.recovered.epoch
    }

    /// What was found in the log: records, torn, killed, unanswered, open, cancelling, and limits that the log
    /// holds below the profile: (limit, profile, log) each.
    #[getter]
    fn recovered<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = &self.recovered;
        let texts = |ids: &[ClientOrderId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let dict = PyDict::new(py);
        dict.set_item("records", found.records)?;
        dict.set_item("torn", found.torn)?;
        dict.set_item("killed", found.killed)?;
        dict.set_item("unanswered", texts(&found.unanswered))?;
        dict.set_item("open", texts(&found.open))?;
        dict.set_item("cancelling", texts(&found.cancelling))?;
        dict.set_item("limits", found.limits.clone())?;
        Ok(dict)
    }

    #[getter]
    fn is_reconciling(&self, py: Python<'_>) -> bool {
        self.with(py, |desk, _, _| desk.gate().is_reconciling())
    }

    #[getter]
    fn is_killed(&self, py: Python<'_>) -> bool {
        self.with(py, |desk, _, _| desk.gate().is_killed())
    }

    /// Loss limits that are passed now, as (code, explanation).
    fn breaches(&self, py: Python<'_>) -> Vec<(&'static str, String)> {
        self.with(py, |desk, _, _| {
            let breaches = desk.gate().breaches().iter();
            breaches.map(|breach| (breach.code.as_str(), breach.rejection().explanation())).collect()
        })
    }

    /// Ids of orders that were sent and never answered.
    fn unanswered(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |desk, _, _| desk.unanswered()).iter().map(ToString::to_string).collect()
    }

    /// An order, or None.
    fn order(&self, py: Python<'_>, order_id: &str) -> PyResult<Option<PyOrder>> {
        let id = parse_id(order_id)?;
        Ok(self.with(py, |desk, _, _| desk.gate().order(id).map(|order| view(desk, &order))))
    }

    /// All orders, and the last 1,000 refused requests, in the order of the log.
    fn orders(&self, py: Python<'_>) -> Vec<PyOrder> {
        self.with(py, |desk, _, _| desk.gate().orders().map(|order| view(desk, &order)).collect())
    }

    /// Orders that are not final.
    fn open_orders(&self, py: Python<'_>) -> Vec<PyOrder> {
        self.with(py, |desk, _, _| desk.gate().open_orders().map(|order| view(desk, order)).collect())
    }

    /// The last `count` orders.
    fn last_orders(&self, py: Python<'_>, count: usize) -> Vec<PyOrder> {
        self.with(py, |desk, _, _| desk.gate().last_orders(count).iter().map(|order| view(desk, order)).collect())
    }

    /// All fills, in the order of booking.
    fn fills(&self, py: Python<'_>) -> Vec<PyFill> {
        self.with(py, |desk, _, _| {
            let fill = |fill: Fill| PyFill { decimals: decimals(desk, fill.instrument), inner: fill };
            desk.gate().fills().iter().map(fill).collect()
        })
    }

    #[getter]
    fn fill_count(&self, py: Python<'_>) -> usize {
        self.with(py, |desk, _, _| desk.gate().fills().len())
    }

    /// Positions that were ever open: (instrument, size, cost, realised, unrealised, fees, trades) each.
    fn positions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.with(py, |desk, _, _| {
            let account = desk.gate().account();
            let positions = account.positions().map(|position| {
                let instrument = account.instrument(position.instrument);
                let entry_price = instrument.and_then(|instrument| position.entry_price(instrument));
                let decimals = decimals(desk, position.instrument);
                (*position, account.unrealised(position.instrument), entry_price, decimals)
            });
            positions.collect::<Vec<_>>()
        });
        let list = PyList::empty(py);
        for (position, unrealised, entry_price, (price_decimals, size_decimals)) in rows {
            let row = PyDict::new(py);
            row.set_item("account", self.name.as_str())?;
            row.set_item("instrument", position.instrument.as_str())?;
            row.set_item("size", decimal::to_python(py, position.size, size_decimals)?)?;
            row.set_item("cost", money(py, position.cost)?)?;
            let entry_price = entry_price.map(|price| decimal::to_python(py, price, price_decimals)).transpose()?;
            row.set_item("entry_price", entry_price)?;
            row.set_item("realised", money(py, position.realised)?)?;
            row.set_item("unrealised", money(py, unrealised)?)?;
            row.set_item("fees", money(py, position.fees)?)?;
            row.set_item("trades", position.trades)?;
            list.append(row)?;
        }
        Ok(list)
    }

    /// Balances: (currency, opening, total, realised, unrealised, fees, equity) each; without `blank` those that there was ever
    /// anything of.
    #[pyo3(signature = (*, blank=true))]
    fn balances<'py>(&self, py: Python<'py>, blank: bool) -> PyResult<Bound<'py, PyList>> {
        let rows: Vec<Balance> = self.with(py, |desk, _, _| {
            let all = desk.gate().account().balances().iter();
            all.filter(|balance| blank || !balance.is_blank()).copied().collect()
        });
        let list = PyList::empty(py);
        for balance in rows {
            let row = PyDict::new(py);
            row.set_item("currency", balance.currency.as_str())?;
            row.set_item("opening", money(py, balance.opening)?)?;
            row.set_item("total", money(py, balance.total)?)?;
            row.set_item("realised", money(py, balance.realised)?)?;
            row.set_item("unrealised", money(py, balance.unrealised)?)?;
            row.set_item("fees", money(py, balance.fees)?)?;
            let equity = balance.equity().map(|equity| money(py, equity)).transpose()?;
            row.set_item("equity", equity)?;
            list.append(row)?;
        }
        Ok(list)
    }

    /// The last quotes of its instruments: (instrument, bid, ask) each, those without a market left out.
    fn markets(&self, py: Python<'_>) -> PyResult<Vec<TopOfBook>> {
        let rows = self.with(py, |desk, _, _| {
            let instruments = desk.gate().account().instruments();
            let markets = instruments.filter_map(|i| Some((i.id, i.price_decimals, desk.gate().market(i.id)?)));
            markets.filter(|(_, _, market)| market.ts_ns != 0).collect::<Vec<_>>()
        });
        let quote = |(id, decimals, market): (Name, u8, libra_trading::risk::Market)| {
            let (bid, ask) =
                (decimal::to_python(py, market.bid, decimals)?, decimal::to_python(py, market.ask, decimals)?);
            Ok((id.as_str(), bid, ask))
        };
        rows.into_iter().map(quote).collect()
    }

    /// Equity over time: (ts_ns, currency, equity, realised, unrealised, fees) each.
    fn equity_curve<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let points = self.with(py, |desk, _, _| desk.equity_curve().to_vec());
        let list = PyList::empty(py);
        for point in points {
            list.append((
                point.ts_ns,
                point.currency.as_str(),
                money(py, point.equity)?,
                money(py, point.realised)?,
                money(py, point.unrealised)?,
                money(py, point.fees)?,
            ))?;
        }
        Ok(list)
    }

    /// Counts: signals, errors, last_error, rejections by code, skipped signals by reason.
    fn tally<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (tally, skipped) = self.with(py, |desk, _, _| {
            let skipped: Vec<_> = desk.portfolio().skipped().map(|(reason, n)| (reason.code(), n)).collect();
            (desk.tally().clone(), skipped)
        });
        let dict = PyDict::new(py);
        dict.set_item("signals", tally.signals)?;
        dict.set_item("errors", tally.errors)?;
        dict.set_item("last_error", tally.last_error)?;
        dict.set_item("rejections", tally.rejections)?;
        dict.set_item("skipped", skipped.into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
        Ok(dict)
    }

    /// Tick to order in nanoseconds: (p50, p99, max), or None without an order.
    fn latency_ns(&self, py: Python<'_>) -> Option<(u64, u64, u64)> {
        self.with(py, |desk, _, _| {
            let latency = desk.latency();
            Some((latency.quantile_ns(0.5)?, latency.quantile_ns(0.99)?, latency.max_ns()?))
        })
    }

    /// The state of orders: name to count, refused requests among them.
    fn order_states(&self, py: Python<'_>) -> std::collections::BTreeMap<&'static str, u64> {
        self.with(py, |desk, _, _| {
            let counts = desk.gate().order_counts().into_iter();
            counts.map(|(status, count)| (trading::status_name(status), count)).collect()
        })
    }

    /// A digest of the account's history, equal after a restart.
    fn state_digest(&self, py: Python<'_>) -> String {
        self.with(py, |desk, _, _| desk.gate().state_digest())
    }
}

fn view(desk: &Desk, order: &Arc<Order>) -> PyOrder {
    PyOrder { inner: order.clone(), decimals: decimals(desk, order.request.instrument) }
}

fn decimals(desk: &Desk, instrument: Name) -> (u8, u8) {
    let known = desk.gate().account().instrument(instrument);
    known.map_or((0, 0), |instrument| (instrument.price_decimals, instrument.size_decimals))
}

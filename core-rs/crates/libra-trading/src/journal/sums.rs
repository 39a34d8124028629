//! What executions add up to: fills, positions, balances and days. The sums are the account's; here they are only told.

use std::collections::BTreeMap;

use libra_kernel::Name;

use crate::account::Account;
use crate::account::balance::utc_day;
use crate::gate::GateEvent;
use crate::gate::follow::Step;
use crate::gate::record::Record;
use crate::gate::venue_record::VenueRecord;
use crate::instrument::Money;
use crate::order::Fill;

use super::Origin;
use super::tables::Tables;
use super::words::{self, decimals, symbol};

/// A currency's UTC day.
#[derive(Clone, Copy, Debug)]
struct Day {
    number: i64,
    /// Realised P&L and fees when it began.
    realised_before: Money,
    fees_before: Money,
    fills: u64,
}

/// A day that a batch changed, as it stands.
#[derive(Clone, Copy, Debug)]
struct DayRow {
    origin: Origin,
    realised: Option<Money>,
    fees: Option<Money>,
    total: Money,
    fills: u64,
}

/// What is kept between records to tell what each of them added, and what the records of a batch have changed.
#[derive(Default)]
pub(super) struct Sums {
    /// Realised P&L by instrument.
    realised: BTreeMap<Name, Money>,
    days: BTreeMap<Name, Day>,
    /// Realised P&L and fees by currency, behind its last execution.
    last: BTreeMap<Name, (Money, Money)>,
    positions: BTreeMap<Name, Origin>,
    balances: BTreeMap<Name, Origin>,
    changed_days: BTreeMap<(i64, Name), DayRow>,
}

impl Sums {
    /// The rows of what was read are there already.
    pub fn clear_touched(&mut self) {
        self.positions.clear();
        self.balances.clear();
        self.changed_days.clear();
    }

    /// Takes in a record.
    pub fn take(&mut self, origin: Origin, step: &Step, account: &Account, tables: &mut Tables) {
        match &step.record {
            Record::Opening(amounts) => {
                self.balances.extend(amounts.iter().map(|(currency, _)| (*currency, origin)));
            }
            Record::Watermark { lines, .. } => {
                self.balances.extend(lines.iter().map(|line| (line.currency, origin)));
            }
            Record::Report { .. } => self.take_execution(origin, step, account, tables),
            Record::Venue(record) => self.take_venue(origin, record, step, account),
            _ => {}
        }
    }

    /// What came of a look at the venue: an opening, money that flowed, an adjustment.
    fn take_venue(&mut self, origin: Origin, record: &VenueRecord, step: &Step, account: &Account) {
        for event in &step.events {
            match event {
                GateEvent::Position { position, .. } => {
                    self.positions.insert(position.instrument, origin);
                    self.realised.insert(position.instrument, position.realised);
                }
                GateEvent::Balance(balance) => {
                    self.balances.insert(balance.currency, origin);
                }
                _ => {}
            }
        }
        if let VenueRecord::Opened { positions, balances, .. } = record {
            self.positions.extend(positions.iter().map(|line| (line.instrument, origin)));
            self.balances.extend(balances.iter().map(|(currency, _)| (*currency, origin)));
        } else {
            self.take_day(origin, None, account);
        }
    }

    fn take_execution(&mut self, origin: Origin, step: &Step, account: &Account, tables: &mut Tables) {
        let mut fill = None;
        let mut position = None;
        for event in &step.events {
            match event {
                GateEvent::Order(order) => fill = order.last_fill.as_ref().or(fill),
                GateEvent::Position { position: after, .. } => position = Some(*after),
                GateEvent::Balance(balance) => {
                    self.balances.insert(balance.currency, origin);
                }
                _ => {}
            }
        }
        let (Some(fill), Some(position)) = (fill, position) else { return };
        self.positions.insert(fill.instrument, origin);
        let before = self.realised.insert(fill.instrument, position.realised).unwrap_or(0);
        write_fill(origin, fill, position.realised.checked_sub(before), position.size, account, tables);
        self.take_day(origin, Some(fill), account);
    }

    /// A day is that of the record's time; a clock that went back goes on with the latest one.
    fn take_day(&mut self, origin: Origin, fill: Option<&Fill>, account: &Account) {
        let settle = fill.and_then(|fill| account.instrument(fill.instrument)).map(|instrument| instrument.settle);
        for balance in account.balances() {
            if self.balances.get(&balance.currency).is_none_or(|last| last.record != origin.record) {
                continue;
            }
            let number = utc_day(origin.ts_ns);
            let now = (balance.realised, balance.fees);
            let (realised_before, fees_before) = self.last.insert(balance.currency, now).unwrap_or_default();
            let begins = Day { number, realised_before, fees_before, fills: 0 };
            let day = self.days.entry(balance.currency).or_insert(begins);
            if number > day.number {
                *day = begins;
            }
            day.fills += u64::from(settle == Some(balance.currency));
            let row = DayRow {
                origin,
                realised: balance.realised.checked_sub(day.realised_before),
                fees: balance.fees.checked_sub(day.fees_before),
                total: balance.total,
                fills: day.fills,
            };
            self.changed_days.insert((day.number, balance.currency), row);
        }
    }

    /// Writes what stands now of all that was changed, and forgets it.
    pub fn write(&mut self, account: &Account, tables: &mut Tables) {
        for (instrument, origin) in &self.positions {
            let Some(position) = account.slot(*instrument).map(|slot| *account.position_at(slot)) else { continue };
            let (_, size_decimals) = decimals(account, *instrument);
            let average = account.instrument(*instrument).and_then(|known| position.average_price(known));
            let row = tables.positions.begin_at(*origin).text(instrument.as_str()).text(symbol(account, *instrument));
            row.units(position.size, size_decimals).money(position.cost).opt_money(average);
            row.money(position.realised).money(position.fees).count(position.trades);
        }
        for balance in account.balances() {
            let Some(origin) = self.balances.get(&balance.currency) else { continue };
            let row = tables.balances.begin_at(*origin).text(balance.currency.as_str());
            row.money(balance.opening).money(balance.total).money(balance.realised).money(balance.fees);
            row.money(balance.peak).text(&date(balance.day)).money(balance.day_start);
        }
        for ((day, currency), row) in &self.changed_days {
            let net = row.realised.zip(row.fees).and_then(|(realised, fees)| realised.checked_sub(fees));
            let to = tables.daily.begin_at(row.origin).text(&date(*day)).text(currency.as_str());
            to.opt_money(row.realised).opt_money(row.fees).opt_money(net).money(row.total).count(row.fills);
        }
        self.clear_touched();
    }
}

fn write_fill(
    origin: Origin,
    fill: &Fill,
    realised: Option<Money>,
    position: i64,
    account: &Account,
    tables: &mut Tables,
) {
    let (price_decimals, size_decimals) = decimals(account, fill.instrument);
    let known = account.instrument(fill.instrument);
    let notional = known.and_then(|instrument| instrument.notional(fill.price, fill.size));
    let row = tables.fills.begin_at(origin).int(fill.ts_venue_ns).text(&fill.client_order_id.to_string());
    row.text(&fill.trade_id.to_string()).text(fill.strategy.as_str()).text(fill.instrument.as_str());
    row.text(symbol(account, fill.instrument)).text(words::side(fill.side)).units(fill.price, price_decimals);
    row.units(fill.size, size_decimals).opt_money(notional).money(fill.fee).text(fill.fee_currency.as_str());
    row.text(words::liquidity(fill.liquidity)).opt_money(realised).units(position, size_decimals);
}

/// The date of a UTC day by its number since 1970, by the algorithm `civil_from_days` of Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms".
fn date(day: i64) -> String {
    let shifted = day.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_dates() {
        let days = [(0, "1970-01-01"), (-1, "1969-12-31"), (19_675, "2023-11-14"), (11_016, "2000-02-29")];
        for (day, text) in days {
            assert_eq!(date(day), text);
        }
    }
}

//! What happens beside orders: processes, instruments, refusals, limits, incidents, and what operators do.

use crate::gate::client_order_id;
use crate::gate::follow::{Follower, Step};
use crate::gate::record::Record;
use crate::gate::venue_record::VenueRecord;
use crate::gate::{GateEvent, LimitsChanged};
use crate::instrument::{Instrument, MONEY_DECIMALS, RATE_DECIMALS};
use crate::order::{ClientOrderId, OrderRequest};

use crate::risk::{Breach, Rejection, RiskCode};

use super::Origin;
use super::tables::Tables;
use super::words::{self, decimals, hex, symbol};

/// Writes the rows of a record.
pub(super) fn write(origin: Origin, step: &Step, follower: &Follower, tables: &mut Tables) {
    let Origin { record, offset, ts_ns } = origin;
    match &step.record {
        Record::Epoch { epoch, account, .. } => {
            tables.epochs.begin_at(origin).count(*epoch).text(account.as_str());
        }
        Record::Instrument(instrument) => write_instrument(origin, instrument, tables),
        Record::Rejected { request, rejection, .. } => write_rejection(origin, request, rejection, follower, tables),
        Record::Refused { strategy, code, ids, .. } => {
            for (item, id) in ids.iter().enumerate() {
                let row = tables.rejections.begin().count(record).count(item as u64).count(offset).int(ts_ns);
                row.text(&ClientOrderId(*id).to_string()).null().null().text(strategy.as_str());
                row.null().null().null().null().null().null().null();
                row.text(code.as_str()).null().null().text("one of many: recorded by its id");
            }
        }
        Record::Breach(breach) => write_breach(origin, breach, tables),
        Record::Limits(changed) => write_limits(origin, changed, tables),
        Record::Kill { reason, .. } => {
            tables.commands.begin_at(origin).text("kill").null().said(reason);
        }
        Record::Resume { .. } => {
            tables.commands.begin_at(origin).text("resume").null().null();
        }
        Record::Note { text, .. } => {
            tables.commands.begin_at(origin).text("note").null().said(text);
        }
        Record::Venue(VenueRecord::Adjusted { who, adjustment, .. }) => {
            tables.commands.begin_at(origin).text("accept_venue").null().said(who);
            for (item, line) in adjustment.balances.iter().enumerate() {
                let row = tables.flows.begin().count(record).count(item as u64).count(offset).int(ts_ns).null();
                row.text("adjustment").text(line.currency.as_str()).money(line.total).null().null();
            }
        }
        Record::Venue(VenueRecord::Flow { flow, .. }) => {
            let row = tables.flows.begin().count(record).count(0).count(offset).int(ts_ns).int(flow.ts_venue_ns);
            row.text(flow.kind.as_str()).text(flow.currency.as_str()).money(flow.amount);
            row.said(flow.symbol.as_str()).text(&flow.key);
        }
        Record::Opening(_)
        | Record::Venue(_)
        | Record::Intent { .. }
        | Record::Submitted { .. }
        | Record::CancelIntent { .. }
        | Record::NotFound { .. }
        | Record::Report { .. }
        | Record::Watermark { .. }
        | Record::Confirmed { .. } => {}
    }
    let incidents = step.events.iter().filter_map(|event| match event {
        GateEvent::Incident(incident) => Some(incident),
        _ => None,
    });
    for (item, incident) in incidents.enumerate() {
        let row = tables.incidents.begin().count(record).count(item as u64).count(offset).int(ts_ns);
        row.text(incident.code.as_str()).text(&incident.client_order_id.to_string()).said(&incident.detail);
    }
}

fn write_instrument(origin: Origin, i: &Instrument, tables: &mut Tables) {
    let row = tables.instruments.begin_at(origin);
    for name in [i.id, i.symbol, i.venue, i.venue_symbol, i.base, i.quote, i.settle] {
        row.text(name.as_str());
    }
    row.text(words::contract_kind(i.kind)).int(i.price_decimals.into()).int(i.size_decimals.into());
    row.units(i.tick_size, i.price_decimals);
    for size in [i.lot_size, i.min_size, i.max_size] {
        row.units(size, i.size_decimals);
    }
    row.money(i.min_notional).units(i.contract_size, i.contract_decimals);
    row.units(i.maker_fee, RATE_DECIMALS).units(i.taker_fee, RATE_DECIMALS).int(i.tradable.into());
}

fn write_rejection(origin: Origin, request: &OrderRequest, why: &Rejection, follower: &Follower, tables: &mut Tables) {
    let Origin { record, offset, ts_ns } = origin;
    let account = follower.account();
    let (price_decimals, size_decimals) = decimals(account, request.instrument);
    // As the account calls it, though the request may have been for another one.
    let id = client_order_id(follower.name(), request.request_id);
    let row = tables.rejections.begin().count(record).count(0).count(offset).int(ts_ns);
    row.text(&id.to_string()).text(&hex(request.request_id));
    if request.signal_id == 0 {
        row.null()
    } else {
        row.text(&hex(request.signal_id))
    };
    row.text(request.strategy.as_str()).text(request.instrument.as_str()).text(symbol(account, request.instrument));
    row.text(words::side(request.side)).text(words::order_type(request.order_type));
    row.text(words::time_in_force(request.time_in_force)).units(request.size, size_decimals);
    if request.price == 0 {
        row.null()
    } else {
        row.units(request.price, price_decimals)
    };
    row.text(why.code.as_str()).said(&why.limit).said(&why.value).said(&why.detail);
}

/// A loss is money, a drawdown a share of the peak in percent.
fn write_breach(origin: Origin, breach: &Breach, tables: &mut Tables) {
    let decimals = if breach.code == RiskCode::Drawdown { 2 } else { MONEY_DECIMALS };
    let row = tables.breaches.begin_at(origin).text(breach.code.as_str()).text(breach.currency.as_str());
    row.units(breach.limit, decimals).units(breach.value, decimals);
}

fn write_limits(origin: Origin, changed: &LimitsChanged, tables: &mut Tables) {
    let Origin { record, offset, ts_ns } = origin;
    let mut all = Vec::new();
    for (item, change) in changed.changes.iter().enumerate() {
        let row = tables.limit_changes.begin().count(record).count(item as u64).count(offset).int(ts_ns);
        row.text(&changed.who).int(changed.confirmed.into()).count(changed.version).text(&change.key);
        row.said(change.old.as_deref().unwrap_or_default()).said(change.new.as_deref().unwrap_or_default());
        all.push(format!("{} = {}", change.key, change.new.as_deref().unwrap_or("none")));
    }
    tables.commands.begin_at(origin).text("limits").text(&changed.who).said(&all.join(", "));
}

//! What stands in a frame, as JSON: the same words as the reader in tests/wire uses.

use libra_kernel::event::{Bar, Quote, Trade};
use libra_kernel::ids::{span_hex, trace_hex};
use libra_kernel::{Event, Payload};
use libra_market::book::{BookUpdate, Level};
use libra_net::bridge::mail::Mail;
use libra_net::frame::*;
use libra_net::ids::ChannelId;
use libra_trading::account::{Balance, Position};
use libra_trading::desk::payload::{Notice, PositionReport};
use libra_trading::order::{CancelRequest, Fill, Order, OrderRequest};
use libra_trading::risk::Breach;
use libra_trading::signal::Signal;
use serde_json::{Value, json};

/// A number of any size.
fn whole(value: i128) -> Value {
    serde_json::from_str(&value.to_string()).expect("a number")
}

fn id(value: u128) -> Value {
    json!(format!("{value:032x}"))
}

fn hex(digits: &[u8]) -> Value {
    json!(String::from_utf8_lossy(digits))
}

fn request(request: &OrderRequest) -> Value {
    json!({
        "request_id": id(request.request_id), "signal_id": id(request.signal_id),
        "account": request.account.as_str(), "strategy": request.strategy.as_str(),
        "instrument": request.instrument.as_str(), "side": request.side as u8,
        "order_type": request.order_type as u8, "time_in_force": request.time_in_force as u8,
        "size": request.size, "price": request.price, "deadline_ns": request.deadline_ns,
        "ts_origin_ns": request.ts_origin_ns,
    })
}

fn fill(fill: &Fill) -> Value {
    json!({
        "client_order_id": id(fill.client_order_id.0), "trade_id": fill.trade_id,
        "instrument": fill.instrument.as_str(), "strategy": fill.strategy.as_str(),
        "fee_currency": fill.fee_currency.as_str(), "side": fill.side as u8, "liquidity": fill.liquidity as u8,
        "price": fill.price, "size": fill.size, "ts_venue_ns": fill.ts_venue_ns, "fee": whole(fill.fee),
    })
}

fn position(position: &Position) -> Value {
    json!({
        "instrument": position.instrument.as_str(), "size": position.size, "cost": whole(position.cost),
        "realised": whole(position.realised), "fees": whole(position.fees), "trades": position.trades,
    })
}

fn inline(payload: &Payload) -> (&'static str, Value) {
    match payload {
        Payload::Quote(Quote { bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq }) => (
            "quote",
            json!({ "bid": bid, "ask": ask, "bid_size": bid_size, "ask_size": ask_size, "ts_venue_ns": ts_venue_ns,
                "venue_seq": venue_seq }),
        ),
        Payload::Trade(Trade { price, size, trade_id, ts_venue_ns, aggressor }) => (
            "trade",
            json!({ "price": price, "size": size, "trade_id": trade_id, "ts_venue_ns": ts_venue_ns,
                "aggressor": *aggressor as u8 }),
        ),
        Payload::Bar(Bar { open, high, low, close, volume, ts_open_ns, interval_ms }) => (
            "bar",
            json!({ "open": open, "high": high, "low": low, "close": close, "volume": volume,
                "ts_open_ns": ts_open_ns, "interval_ms": interval_ms }),
        ),
        _ => ("empty", json!({})),
    }
}

fn payload(payload: &Payload) -> (&'static str, Value) {
    if let Some(order) = payload.downcast::<Order>() {
        let shown = json!({
            "client_order_id": id(order.client_order_id.0), "request": request(&order.request),
            "status": order.status as u8, "filled": order.filled, "ts_ns": order.ts_ns,
            "filled_notional": whole(order.filled_notional), "fees": whole(order.fees),
            "venue_order_id": order.venue_order_id, "reason": order.reason, "detail": order.detail,
            "last_fill": order.last_fill.as_ref().map(fill),
        });
        return ("order", shown);
    }
    if let Some(asked) = payload.downcast::<OrderRequest>() {
        return ("order_request", request(asked));
    }
    if let Some(cancel) = payload.downcast::<CancelRequest>() {
        let shown = json!({ "client_order_id": id(cancel.client_order_id.0), "account": cancel.account.as_str(),
            "strategy": cancel.strategy.as_str() });
        return ("cancel_request", shown);
    }
    if let Some(book) = payload.downcast::<BookUpdate>() {
        let side = |levels: &[Level]| levels.iter().map(|level| json!([level.price, level.size])).collect::<Vec<_>>();
        let shown = json!({ "snapshot": book.snapshot, "first_id": book.first_id, "last_id": book.last_id,
            "previous_id": book.previous_id, "ts_venue_ns": book.ts_venue_ns, "bids": side(&book.bids),
            "asks": side(&book.asks) });
        return ("book", shown);
    }
    if let Some(signal) = payload.downcast::<Signal>() {
        let shown = json!({ "id": id(signal.id), "strategy": signal.strategy.as_str(),
            "instrument": signal.instrument.as_str(), "signal_type": signal.signal_type as u8,
            "strength": signal.strength, "price": signal.price, "deadline_ns": signal.deadline_ns,
            "reason": signal.reason });
        return ("signal", shown);
    }
    account(payload)
}

fn account(payload: &Payload) -> (&'static str, Value) {
    if let Some(held) = payload.downcast::<Position>() {
        return ("position", position(held));
    }
    if let Some(report) = payload.downcast::<PositionReport>() {
        let shown = json!({ "account": report.account.as_str(), "position": position(&report.position),
            "unrealised": whole(report.unrealised), "average_price": report.average_price.map(whole) });
        return ("position_report", shown);
    }
    if let Some(balance) = payload.downcast::<Balance>() {
        let shown = json!({ "currency": balance.currency.as_str(), "opening": whole(balance.opening),
            "total": whole(balance.total), "reserved": whole(balance.reserved), "realised": whole(balance.realised),
            "fees": whole(balance.fees), "unrealised": whole(balance.unrealised), "peak": whole(balance.peak),
            "day": balance.day, "day_start": whole(balance.day_start) });
        return ("balance", shown);
    }
    if let Some(breach) = payload.downcast::<Breach>() {
        let shown = json!({ "code": breach.code.as_str(), "currency": breach.currency.as_str(),
            "limit": whole(breach.limit), "value": whole(breach.value), "ts_ns": breach.ts_ns });
        return ("breach", shown);
    }
    if let Some(notice) = payload.downcast::<Notice>() {
        let mut shown = json!({ "account": notice.account.as_str(), "code": notice.code, "detail": notice.detail });
        if !notice.strategy.as_str().is_empty() {
            shown["strategy"] = notice.strategy.as_str().into();
        }
        return ("notice", shown);
    }
    if let Some(encoded) = payload.downcast::<Encoded>() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if let Some(mail) = Mail::decode(encoded) {
            let message = json!({ "kind": mail.kind as u8, "id": id(mail.id), "to": mail.to, "from": mail.from,
                "tag": mail.tag, "msgpack": hex(mail.body) });
            return ("encoded", json!({ "tag": encoded.tag(), "message": message }));
        }
        return ("encoded", json!({ "tag": encoded.tag(), "msgpack": hex(encoded.data()) }));
    }
    inline(payload)
}

fn event(channel_seq: u64, event: &Event) -> Value {
    let (encoding, fields) = payload(&event.payload);
    json!({
        "channel_seq": channel_seq, "type": event.event_type as u16, "trace_id": hex(&trace_hex(event.trace_id)),
        "span_id": hex(&span_hex(event.span_id)), "trace_flags": trace_flags(event),
        "parent_span_id": hex(&span_hex(event.parent_span_id)), "price_decimals": event.price_decimals,
        "size_decimals": event.size_decimals, "source": event.source.as_str(),
        "instrument": event.instrument.as_str(), "bus_seq": event.sequence, "ts_ns": event.ts_ns,
        "encoding": encoding, "payload": fields,
    })
}

/// A frame, by what it is made of.
pub fn frame(head: &Header<'_>, message: Option<&Control>, events: &[Event]) -> Value {
    let events: Vec<Value> = (head.first_seq..).zip(events).map(|(seq, it)| event(seq, it)).collect();
    json!({ "header": header(head), "message": message.map(control), "events": events })
}

fn header(header: &Header<'_>) -> Value {
    json!({
        "version": [MAJOR, header.minor], "kind": header.kind as u8, "lane": header.lane.map(|lane| lane as u8),
        "flags": header.flags, "epoch": header.epoch, "first_seq": header.first_seq, "count": header.count,
        "sent_ns": header.sent_ns, "publisher": header.publisher, "shard": header.shard,
    })
}

fn channel(channel: &ChannelId) -> Value {
    json!([channel.lane as u8, channel.shard(), channel.publisher()])
}

fn positions(positions: &[ChannelPosition]) -> Vec<Value> {
    let shown = |entry: &ChannelPosition| json!({ "channel": channel(&entry.channel), "epoch": entry.position.epoch, "seq": entry.position.seq });
    positions.iter().map(shown).collect()
}

fn control(control: &Control) -> Value {
    match control {
        Control::Ack(ack) => json!({ "group": ack.group, "positions": positions(&ack.positions) }),
        Control::Beacon(beacon) => {
            let mut said = json!({
            "incarnation": id(beacon.incarnation), "is_leaving": beacon.is_leaving, "started_ns": beacon.started_ns,
            "version": beacon.version, "metrics_address": beacon.metrics_address,
            "channels": positions(&beacon.channels),
            "interests": beacon.interests.iter().map(|it| json!([it.lane as u8, it.shard])).collect::<Vec<_>>(),
            });
            // Minor version 0 does not say it.
            if beacon.shards > 0 {
                said["shards"] = beacon.shards.into();
            }
            said
        }
        Control::SnapshotRequest(request) => json!({ "request_id": id(request.request_id), "group": request.group,
            "channel": channel(&request.channel), "epoch": request.position.epoch, "seq": request.position.seq }),
        Control::Snapshot(snapshot) => json!({ "request_id": id(snapshot.request_id), "group": snapshot.group,
            "part": snapshot.part, "parts": snapshot.parts, "positions": positions(&snapshot.positions) }),
    }
}

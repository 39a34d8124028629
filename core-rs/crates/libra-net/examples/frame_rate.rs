//! What a frame costs: nanoseconds an event to encode and to decode 128 quotes, 128 trades, and one order event alone;
//! beside copying as many 128-byte events, and the same fields as msgpack arrays by `rmp`, in the same run. Prints JSON.
//!
//! `cargo run --release -p libra-net --example frame_rate`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use libra_kernel::edge::edge_of;
use libra_kernel::event::{Aggressor, Quote, Trade};
use libra_kernel::wake::Waker;
use libra_kernel::{Event, EventType, Lane, Name, Payload};
use libra_net::frame::{Append, FrameReader, FrameWriter, Limits};
use libra_net::ids::ChannelId;
use libra_trading::order::{
    ClientOrderId, Fill, Liquidity, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce,
};

const EVENTS: usize = 128;
const ROUNDS: usize = 1_000;

/// The best of many short rounds, in nanoseconds an event: a round of a quarter of a millisecond is often left alone by
/// whatever else the machine does.
fn measure(events: usize, mut work: impl FnMut()) -> f64 {
    let repeats = 5_000_usize.div_ceil(events);
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..repeats {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (repeats * events) as f64);
    }
    (best * 10.0).round() / 10.0
}

fn instruments() -> Vec<Name> {
    (0..32).map(|n| Name::intern(&format!("I{n:03}/USDT"))).collect()
}

fn quotes() -> Vec<Event> {
    let (source, names) = (Name::intern("binance"), instruments());
    (0..EVENTS as i64)
        .map(|n| {
            let quote = Quote {
                bid: 6_168_599 + n,
                ask: 6_168_600 + n,
                bid_size: 17 * n,
                ask_size: 23 * n,
                ts_venue_ns: 1_700_000_000_000_000_000 + n,
                venue_seq: 1_000_000_000 + n,
            };
            Event::market(EventType::Quote, source, names[n as usize % 32], (2, 5), n, Payload::Quote(quote))
        })
        .collect()
}

fn trades() -> Vec<Event> {
    let (source, names) = (Name::intern("binance"), instruments());
    (0..EVENTS as i64)
        .map(|n| {
            let trade = Trade {
                price: 6_168_599 + n,
                size: 17 * n,
                trade_id: 5_000_000_000 + n,
                ts_venue_ns: 1_700_000_000_000_000_000 + n,
                aggressor: Aggressor::Seller,
            };
            Event::market(EventType::Trade, source, names[n as usize % 32], (2, 5), n, Payload::Trade(trade))
        })
        .collect()
}

fn order() -> Event {
    let [account, strategy, instrument, currency] = ["main", "ema-1", "BTC/USDT", "USDT"].map(Name::intern);
    let client_order_id = ClientOrderId(7 << 64 | 9);
    let order = Order {
        client_order_id,
        venue_order_id: "28457912345".into(),
        request: OrderRequest {
            request_id: 3 << 70,
            signal_id: 5 << 70,
            account,
            strategy,
            instrument,
            side: OrderSide::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            size: 100_000,
            price: 6_168_599,
            deadline_ns: 1_700_000_000_000_000_000,
            ts_origin_ns: 1_700_000_000_000_000_000,
        },
        status: OrderStatus::PartiallyFilled,
        filled: 50_000,
        filled_notional: 30_842_995_000_000_000,
        fees: 30_842_995_000_000,
        reason: String::new(),
        detail: String::new(),
        last_fill: Some(Fill {
            client_order_id,
            trade_id: 987_654_321,
            instrument,
            strategy,
            side: OrderSide::Buy,
            price: 6_168_599,
            size: 50_000,
            fee: 30_842_995_000_000,
            fee_currency: currency,
            liquidity: Liquidity::Taker,
            ts_venue_ns: 1_700_000_000_000_000_000,
        }),
        ts_ns: 1_700_000_000_000_000_000,
    };
    let mut event = Event::new(EventType::OrderPartiallyFilled, account, 1, Payload::shared(order));
    event.instrument = instrument;
    event
}

fn encode<'a>(writer: &'a mut FrameWriter, events: &[Event]) -> &'a [u8] {
    for event in events {
        assert_eq!(writer.append(black_box(event)), Ok(Append::Written));
    }
    writer.finish(1, 1).expect("holds events")
}

/// (encode, decode, bytes an event).
fn frame(events: &[Event], lane: Lane) -> (f64, f64, f64) {
    let channel = ChannelId::new(lane, "0", "market-1").expect("a channel's name");
    let mut writer = FrameWriter::new(&channel, 1, Limits { events: 128, bytes: 1 << 20 });
    let encoding = measure(events.len(), || {
        black_box(encode(&mut writer, events));
    });
    let bytes = encode(&mut writer, events).to_vec();
    let mut reader = FrameReader::new();
    let decoding = measure(events.len(), || {
        let frame = reader.read(black_box(&bytes)).expect("a frame of our own");
        for (seq, event) in frame.events() {
            black_box((seq, event.expect("an event of our own")));
        }
    });
    (encoding, decoding, bytes.len() as f64 / events.len() as f64)
}

/// From a frame into a queue and out of it again, on one thread: read into the queue's places, and by way of a vector.
fn queue(events: &[Event]) -> (f64, f64) {
    let channel = ChannelId::new(Lane::MarketData, "0", "market-1").expect("a channel's name");
    let mut writer = FrameWriter::new(&channel, 1, Limits { events: 128, bytes: 1 << 20 });
    let bytes = encode(&mut writer, events).to_vec();
    let mut reader = FrameReader::new();
    let (mut sender, mut receiver) = edge_of(1, 1_024, Arc::new(Waker::new().expect("a descriptor")));
    let staged = measure(events.len(), || {
        let frame = reader.read(black_box(&bytes)).expect("a frame of our own");
        for piece in frame.pieces() {
            let event_type = piece.event_type().expect("a type of our own");
            assert_eq!(piece.read_to(|event| sender.stage(event_type, event)), Ok(true));
        }
        sender.wake();
        receiver.receive(events.len(), |event| drop(black_box(event)));
    });
    let mut gathered = Vec::with_capacity(events.len());
    let through_vector = measure(events.len(), || {
        let frame = reader.read(black_box(&bytes)).expect("a frame of our own");
        gathered.extend(frame.events().map(|(_, event)| event.expect("an event of our own")));
        sender.send_many(gathered.drain(..));
        receiver.receive(events.len(), |event| drop(black_box(event)));
    });
    (staged, through_vector)
}

/// The fields of a quote, with its header, as one msgpack array.
fn msgpack(events: &[Event]) -> (f64, f64, f64) {
    let mut buffer = Vec::with_capacity(1 << 16);
    let encode = |buffer: &mut Vec<u8>| {
        buffer.clear();
        for event in events {
            let Payload::Quote(quote) = &event.payload else { unreachable!("quotes only") };
            rmp::encode::write_array_len(buffer, 17).expect("memory");
            for value in [event.event_type as u64, u64::from(event.price_decimals), u64::from(event.size_decimals)] {
                rmp::encode::write_uint(buffer, value).expect("memory");
            }
            rmp::encode::write_str(buffer, event.source.as_str()).expect("memory");
            rmp::encode::write_str(buffer, event.instrument.as_str()).expect("memory");
            for value in [event.trace_id[0], event.trace_id[1], event.span_id, event.parent_span_id, event.sequence] {
                rmp::encode::write_uint(buffer, value).expect("memory");
            }
            let Quote { bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq } = *quote;
            for value in [event.ts_ns, bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq] {
                rmp::encode::write_sint(buffer, value).expect("memory");
            }
        }
        black_box(&*buffer).len()
    };
    let length = encode(&mut buffer);
    let encoding = measure(events.len(), || {
        encode(&mut buffer);
    });
    let decoding = measure(events.len(), || {
        let mut rest: &[u8] = black_box(&buffer);
        while !rest.is_empty() {
            let count = rmp::decode::read_array_len(&mut rest).expect("an array");
            let mut header = [0u64; 3];
            header.iter_mut().for_each(|value| *value = rmp::decode::read_int(&mut rest).expect("a number"));
            let mut names = [Name::NONE; 2];
            for name in &mut names {
                let length = rmp::decode::read_str_len(&mut rest).expect("a text") as usize;
                *name = Name::intern(std::str::from_utf8(&rest[..length]).expect("a text"));
                rest = &rest[length..];
            }
            let mut ids = [0u64; 5];
            ids.iter_mut().for_each(|value| *value = rmp::decode::read_int(&mut rest).expect("a number"));
            let mut fields = [0i64; 7];
            fields.iter_mut().for_each(|value| *value = rmp::decode::read_int(&mut rest).expect("a number"));
            let [ts_ns, bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq] = fields;
            let quote = Quote { bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq };
            let event = Event {
                event_type: EventType::from_number(header[0] as u16).expect("a type"),
                price_decimals: header[1] as u8,
                size_decimals: header[2] as u8,
                trace_flags: 0,
                sequence: ids[4],
                source: names[0],
                instrument: names[1],
                ts_ns,
                trace_id: [ids[0], ids[1]],
                span_id: ids[2],
                parent_span_id: ids[3],
                payload: Payload::Quote(quote),
            };
            black_box((count, event));
        }
    });
    (encoding, decoding, length as f64 / events.len() as f64)
}

fn main() {
    let source = vec![[7u8; 128]; EVENTS];
    let mut target = Vec::with_capacity(EVENTS * 128);
    let copy = measure(EVENTS, || {
        target.clear();
        for event in &source {
            target.extend_from_slice(black_box(event));
        }
        black_box(&target);
    });
    let bytes = vec![7u8; 112 * EVENTS];
    let crc = measure(EVENTS, || {
        black_box(crc32c::crc32c(black_box(&bytes)));
    });
    let row = |(encode, decode, bytes): (f64, f64, f64)| {
        serde_json::json!({ "encode_ns": encode, "decode_ns": decode, "bytes": bytes,
            "times_copy": (encode + decode) / (2.0 * copy) })
    };
    let quotes = quotes();
    let (frame_quotes, packed) = (frame(&quotes, Lane::MarketData), msgpack(&quotes));
    let (staged, through_vector) = queue(&trades());
    let report = serde_json::json!({
        "into_a_queue": { "trades_128_ns": staged, "by_way_of_a_vector_ns": through_vector },
        "copy_ns": copy,
        "crc32c_ns": crc,
        "frame": {
            "quotes_128": row(frame_quotes),
            "trades_128": row(frame(&trades(), Lane::MarketData)),
            "order_1": row(frame(&[order()], Lane::Orders)),
        },
        "msgpack": { "quotes_128": row(packed) },
        "msgpack_over_frame": (packed.0 + packed.1) / (frame_quotes.0 + frame_quotes.1),
    });
    println!("{report:#}");
}

//! Arbitrary events and messages.

use libra_kernel::event::{Aggressor, Bar, Quote, Trade};
use libra_kernel::fixed::MAX_DECIMALS;
use libra_kernel::{Event, EventType, Lane, Name, Payload, SharedPayload};
use libra_market::book::{BookUpdate, Level};
use libra_trading::account::{Balance, Position};
use libra_trading::desk::payload::{Notice, PositionReport};
use libra_trading::order::{
    CancelRequest, ClientOrderId, Fill, Liquidity, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce,
};
use libra_trading::risk::{Breach, RiskCode};
use libra_trading::signal::{Signal, SignalType};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::frame::*;
use crate::ids;

/// Every field of a payload, also those that a digest leaves out.
pub fn fields(payload: &Payload) -> String {
    let Payload::Shared(shared) = payload else {
        return match payload {
            Payload::Quote(quote) => format!("{quote:?}"),
            Payload::Trade(trade) => format!("{trade:?}"),
            Payload::Bar(bar) => format!("{bar:?}"),
            _ => "empty".into(),
        };
    };
    let any = shared.as_any();
    macro_rules! shown {
        ($($type:ty),+) => {$(if let Some(known) = any.downcast_ref::<$type>() { return format!("{known:?}"); })+};
    }
    shown!(BookUpdate, OrderRequest, CancelRequest, Order, Breach, Position, Balance, Encoded);
    if let Some(signal) = any.downcast_ref::<Signal>() {
        // A NaN is shown without its bits.
        return format!("{signal:?} {}", signal.strength.to_bits());
    }
    if let Some(report) = any.downcast_ref::<PositionReport>() {
        return format!("{:?}", (report.account, report.position, report.unrealised, report.average_price));
    }
    let notice = any.downcast_ref::<Notice>().expect("one of the payloads that travel");
    format!("{:?}", (notice.account, &notice.code, &notice.detail))
}

/// A payload that a failed test can show.
struct Carried(Payload);

impl Carried {
    fn shared(payload: impl SharedPayload) -> Self {
        Carried(Payload::shared(payload))
    }
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&fields(&self.0))
    }
}

pub fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        1 => Just(Name::NONE),
        8 => (0..40u32).prop_map(|n| Name::intern(&format!("name-{n}"))),
        1 => "[a-zA-Z/:é]{1,12}".prop_map(|text| Name::intern(&text)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,24}"
}

fn request() -> impl Strategy<Value = OrderRequest> {
    let names = (name(), name(), name());
    let kinds = (
        select(&[OrderSide::Buy, OrderSide::Sell][..]),
        select(&[OrderType::Market, OrderType::Limit][..]),
        select(&[TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::PostOnly][..]),
    );
    (any::<(u128, u128)>(), names, kinds, any::<[i64; 4]>()).prop_map(|(ids, names, kinds, numbers)| OrderRequest {
        request_id: ids.0,
        signal_id: ids.1,
        account: names.0,
        strategy: names.1,
        instrument: names.2,
        side: kinds.0,
        order_type: kinds.1,
        time_in_force: kinds.2,
        size: numbers[0],
        price: numbers[1],
        deadline_ns: numbers[2],
        ts_origin_ns: numbers[3],
    })
}

fn fill() -> impl Strategy<Value = Fill> {
    let kinds = (select(&[OrderSide::Buy, OrderSide::Sell][..]), select(&[Liquidity::Maker, Liquidity::Taker][..]));
    (any::<(u128, u64, [i64; 3], i128)>(), (name(), name(), name()), kinds).prop_map(|(numbers, names, kinds)| Fill {
        client_order_id: ClientOrderId(numbers.0),
        trade_id: numbers.1,
        instrument: names.0,
        strategy: names.1,
        side: kinds.0,
        price: numbers.2[0],
        size: numbers.2[1],
        fee: numbers.3,
        fee_currency: names.2,
        liquidity: kinds.1,
        ts_venue_ns: numbers.2[2],
    })
}

pub fn order() -> impl Strategy<Value = Order> {
    use OrderStatus::*;
    let status = select(&[New, Submitted, Accepted, PartiallyFilled, Filled, Cancelled, Expired, Rejected][..]);
    (any::<(u128, i64, i64, i128, i128)>(), (text(), text(), text()), request(), status, proptest::option::of(fill()))
        .prop_map(|(numbers, texts, request, status, last_fill)| Order {
            client_order_id: ClientOrderId(numbers.0),
            venue_order_id: texts.0,
            request,
            status,
            filled: numbers.1,
            filled_notional: numbers.3,
            fees: numbers.4,
            reason: texts.1,
            detail: texts.2,
            last_fill,
            ts_ns: numbers.2,
        })
}

fn levels() -> impl Strategy<Value = Vec<Level>> {
    vec(any::<(i64, i64)>().prop_map(|(price, size)| Level { price, size }), 0..20)
}

fn position() -> impl Strategy<Value = Position> {
    (name(), any::<(i64, [i128; 3], u64)>()).prop_map(|(instrument, (size, [cost, realised, fees], trades))| Position {
        instrument,
        size,
        cost,
        realised,
        fees,
        trades,
    })
}

fn balance() -> impl Strategy<Value = Balance> {
    (name(), any::<([i128; 8], i64)>()).prop_map(|(currency, (amounts, day))| Balance {
        currency,
        opening: amounts[0],
        total: amounts[1],
        reserved: amounts[2],
        realised: amounts[3],
        fees: amounts[4],
        unrealised: amounts[5],
        peak: amounts[6],
        day,
        day_start: amounts[7],
    })
}

fn signal() -> impl Strategy<Value = Signal> {
    use SignalType::*;
    let kind = select(&[Long, Short, CloseLong, CloseShort, Hold][..]);
    (any::<(u128, u64, i64, i64)>(), (name(), name()), kind, text()).prop_map(
        |(numbers, names, signal_type, reason)| Signal {
            id: numbers.0,
            strategy: names.0,
            instrument: names.1,
            signal_type,
            strength: f64::from_bits(numbers.1),
            price: numbers.2,
            deadline_ns: numbers.3,
            reason,
        },
    )
}

fn payload() -> impl Strategy<Value = Carried> {
    let aggressor = select(&[Aggressor::Unknown, Aggressor::Buyer, Aggressor::Seller][..]);
    let codes: Vec<RiskCode> = RiskCode::TABLE.iter().map(|entry| entry.0).collect();
    let market = prop_oneof![
        Just(()).prop_map(|()| Carried(Payload::Empty)),
        any::<[i64; 6]>().prop_map(|[bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq]| Carried(Payload::Quote(
            Quote { bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq }
        ))),
        (any::<[i64; 4]>(), aggressor).prop_map(|([price, size, trade_id, ts_venue_ns], aggressor)| Carried(
            Payload::Trade(Trade { price, size, trade_id, ts_venue_ns, aggressor })
        )),
        any::<([i64; 6], u32)>().prop_map(|([open, high, low, close, volume, ts_open_ns], interval_ms)| {
            Carried(Payload::Bar(Bar { open, high, low, close, volume, ts_open_ns, interval_ms }))
        }),
        (any::<(bool, [i64; 4])>(), levels(), levels()).prop_map(|((snapshot, numbers), bids, asks)| {
            let [first_id, last_id, previous_id, ts_venue_ns] = numbers;
            Carried::shared(BookUpdate { snapshot, first_id, last_id, previous_id, ts_venue_ns, bids, asks })
        }),
    ];
    let trading = prop_oneof![
        request().prop_map(Carried::shared),
        (any::<u128>(), name(), name()).prop_map(|(id, account, strategy)| {
            Carried::shared(CancelRequest { account, strategy, client_order_id: ClientOrderId(id) })
        }),
        order().prop_map(Carried::shared),
        signal().prop_map(Carried::shared),
        (select(codes), name(), any::<(i128, i128, i64)>()).prop_map(|(code, currency, (limit, value, ts_ns))| {
            Carried::shared(Breach { code, currency, limit, value, ts_ns })
        }),
        position().prop_map(Carried::shared),
        (name(), position(), any::<(i128, Option<i128>)>()).prop_map(|(account, position, numbers)| {
            Carried::shared(PositionReport { account, position, unrealised: numbers.0, average_price: numbers.1 })
        }),
        balance().prop_map(Carried::shared),
        (name(), name(), text(), text()).prop_map(|(account, strategy, code, detail)| {
            Carried::shared(Notice { account, strategy, code, detail })
        }),
        (text(), vec(any::<u8>(), 0..80)).prop_map(|(tag, bytes)| Carried::shared(Encoded::new(tag, bytes))),
    ];
    prop_oneof![market, trading]
}

pub fn event() -> impl Strategy<Value = Event> {
    let types: Vec<EventType> = EventType::ALL.iter().copied().filter(|known| leaves_process(*known)).collect();
    let decimals = (0..=MAX_DECIMALS, 0..=MAX_DECIMALS);
    (select(types), (name(), name()), decimals, any::<(u64, i64, [u64; 4])>(), payload()).prop_map(
        |(event_type, names, decimals, numbers, payload)| Event {
            event_type,
            price_decimals: decimals.0,
            size_decimals: decimals.1,
            trace_flags: numbers.2[0] as u8 & Event::SAMPLED,
            sequence: numbers.0,
            source: names.0,
            instrument: names.1,
            ts_ns: numbers.1,
            trace_id: [numbers.2[0], numbers.2[1]],
            span_id: numbers.2[2],
            parent_span_id: numbers.2[3],
            payload: payload.0,
        },
    )
}

fn channel_id() -> impl Strategy<Value = ids::ChannelId> {
    (select(&Lane::ALL[..]), "[a-z0-9][a-z0-9_@.-]{0,20}", "[a-z0-9][a-z0-9_-]{0,20}")
        .prop_map(|(lane, shard, publisher)| ids::ChannelId::new(lane, &shard, &publisher).unwrap())
}

fn place() -> impl Strategy<Value = ids::Position> {
    (0..=ids::LATEST, 0..=ids::LATEST).prop_map(|(epoch, seq)| ids::Position::new(epoch, seq))
}

fn places() -> impl Strategy<Value = Vec<ChannelPosition>> {
    vec((channel_id(), place()).prop_map(|(channel, position)| ChannelPosition { channel, position }), 0..6)
}

pub fn control() -> impl Strategy<Value = Control> {
    let interest = (select(&Lane::ALL[..]), "[a-z0-9]{1,9}").prop_map(|(lane, shard)| Interest { lane, shard });
    let beacon = (any::<(u128, bool, i64, u8)>(), (text(), text()), places(), vec(interest, 0..6)).prop_map(
        |(numbers, (version, metrics_address), channels, interests)| Beacon {
            incarnation: numbers.0,
            is_leaving: numbers.1,
            started_ns: numbers.2,
            version,
            metrics_address,
            channels,
            interests,
            shards: numbers.3,
        },
    );
    prop_oneof![
        (text(), places()).prop_map(|(group, positions)| Control::Ack(Ack { group, positions })),
        beacon.prop_map(Control::Beacon),
        (any::<u128>(), text(), channel_id(), place()).prop_map(|(request_id, group, channel, position)| {
            Control::SnapshotRequest(SnapshotRequest { request_id, group, channel, position })
        }),
        (any::<u128>(), text(), 0..9u32, 1..9u32, places()).prop_map(|(request_id, group, part, more, positions)| {
            Control::Snapshot(Snapshot { request_id, group, part, parts: part + more, positions })
        }),
    ]
}

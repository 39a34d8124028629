//! One frame of each kind with every payload, and what stands in it: the golden files are made of them.

use libra_kernel::event::{Aggressor, Bar, Quote, Trade};
use libra_kernel::{Event, EventType, Lane, Name, Payload};
use libra_market::book::{BookUpdate, Level};
use libra_net::bridge::mail::{Mail, MailKind};
use libra_net::frame::*;
use libra_net::ids::{ChannelId, LATEST, Position};
use libra_trading::account::{Balance, Position as Held};
use libra_trading::desk::payload::{Notice, PositionReport};
use libra_trading::order::{
    CancelRequest, ClientOrderId, Fill, Liquidity, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce,
};
use libra_trading::risk::{Breach, RiskCode};
use libra_trading::signal::{Signal, SignalType};

/// What a golden file is made of.
pub struct Sample {
    /// The file's name.
    pub name: &'static str,
    /// The message, where the frame has one.
    pub control: Option<Control>,
    /// The events.
    pub events: Vec<Event>,
    /// The frame.
    pub frame: Vec<u8>,
}

const EPOCH: u64 = 1_732_204_800_123;
const SENT_NS: i64 = 1_732_204_801_000_000_007;

fn event(number: u64, event_type: EventType, instrument: &str, payload: Payload) -> Event {
    Event {
        event_type,
        price_decimals: 2,
        size_decimals: 5,
        trace_flags: 0,
        sequence: 1_000 + number,
        source: Name::intern("binance"),
        instrument: Name::intern(instrument),
        ts_ns: 1_732_204_800_500_000_000 + number as i64,
        trace_id: [0x0af7_6519_16cd_43dd, 0x8448_eb21_1c80_319c],
        span_id: 0xb7ad_6b71_6920_3331 + number,
        parent_span_id: if number == 0 { 0 } else { 0xb7ad_6b71_6920_3331 },
        payload,
    }
}

fn market() -> Vec<Event> {
    let level = |price, size| Level { price, size };
    let quote = Quote {
        bid: 6_168_599,
        ask: 6_168_600,
        bid_size: 17,
        ask_size: i64::MAX,
        ts_venue_ns: 1_732_204_800_400_000_000,
        venue_seq: 55_000_000_001,
    };
    let trade = Trade { price: 6_168_600, size: 3, trade_id: 41, ts_venue_ns: -1, aggressor: Aggressor::Seller };
    let bar = Bar { open: 4, high: 9, low: -1, close: 5, volume: 77, ts_open_ns: 60_000_000_000, interval_ms: 60_000 };
    let delta = BookUpdate {
        snapshot: false,
        first_id: 10,
        last_id: 12,
        previous_id: 9,
        ts_venue_ns: 8,
        bids: vec![level(100, 5), level(99, 0)],
        asks: vec![level(101, 7)],
    };
    let whole = BookUpdate { snapshot: true, first_id: 12, last_id: 12, previous_id: -1, ..BookUpdate::default() };
    vec![
        event(0, EventType::Quote, "BTC/USDT", Payload::Quote(quote)),
        event(1, EventType::Trade, "BTC/USDT", Payload::Trade(trade)),
        event(2, EventType::Bar, "ÉTH/USDT:USDT", Payload::Bar(bar)),
        event(3, EventType::OrderBook, "BTC/USDT", Payload::shared(delta)),
        event(4, EventType::OrderBook, "BTC/USDT", Payload::shared(whole)),
        event(5, EventType::GatewayConnected, "", Payload::Empty),
    ]
}

fn orders() -> Vec<Event> {
    let [account, strategy, instrument, currency] = ["main", "ema-1", "BTC/USDT", "USDT"].map(Name::intern);
    let client_order_id = ClientOrderId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
    let request = OrderRequest {
        request_id: u128::MAX - 1,
        signal_id: 9,
        account,
        strategy,
        instrument,
        side: OrderSide::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        size: 100_000,
        price: 6_168_599,
        deadline_ns: 1_732_204_860_000_000_000,
        ts_origin_ns: 1_732_204_800_400_000_000,
    };
    let fill = Fill {
        client_order_id,
        trade_id: u64::MAX,
        instrument,
        strategy,
        side: OrderSide::Sell,
        price: 6_168_600,
        size: 40_000,
        fee: -12_345,
        fee_currency: currency,
        liquidity: Liquidity::Taker,
        ts_venue_ns: 1_732_204_800_450_000_000,
    };
    let order = Order {
        client_order_id,
        venue_order_id: "28457912345".into(),
        request: request.clone(),
        status: OrderStatus::PartiallyFilled,
        filled: 40_000,
        filled_notional: 170_141_183_460_469_231_731_687_303_715_884_105_727,
        fees: -12_345,
        reason: String::new(),
        detail: String::new(),
        last_fill: Some(fill),
        ts_ns: 1_732_204_800_460_000_000,
    };
    let rejected = Order {
        status: OrderStatus::Rejected,
        venue_order_id: String::new(),
        filled: 0,
        filled_notional: 0,
        fees: 0,
        reason: "POSITION_LIMIT".into(),
        detail: "limit 1.000 BTC, value 1.200 BTC".into(),
        last_fill: None,
        ..order.clone()
    };
    let cancel = CancelRequest { account, strategy, client_order_id };
    let signal = Signal {
        id: 1 << 100,
        strategy,
        instrument,
        signal_type: SignalType::CloseShort,
        strength: 0.75,
        price: 0,
        deadline_ns: 0,
        reason: "crossed ↑".into(),
    };
    vec![
        event(0, EventType::Signal, "BTC/USDT", Payload::shared(signal)),
        event(1, EventType::OrderRequest, "BTC/USDT", Payload::shared(request)),
        event(2, EventType::OrderPartiallyFilled, "BTC/USDT", Payload::shared(order)),
        event(3, EventType::OrderRejected, "BTC/USDT", Payload::shared(rejected)),
        event(4, EventType::CancelRequest, "BTC/USDT", Payload::shared(cancel)),
    ]
}

fn account() -> Vec<Event> {
    let [account, instrument, currency] = ["main", "BTC/USDT", "USDT"].map(Name::intern);
    let held = Held { instrument, size: -3, cost: i128::MIN, realised: 1 << 80, fees: -1, trades: 12 };
    let report = |average_price| PositionReport { account, position: held, unrealised: -(1i128 << 90), average_price };
    let balance = Balance {
        currency,
        opening: 100_000_000_000_000_000,
        total: 2,
        reserved: 3,
        realised: -4,
        fees: 5,
        unrealised: -6,
        peak: i128::MAX,
        day: 20_048,
        day_start: 8,
    };
    let breach = Breach { code: RiskCode::Drawdown, currency, limit: 1_000, value: 1_234, ts_ns: 99 };
    let notice =
        Notice { account, strategy: Name::intern("ema"), code: "KILL_SWITCH".into(), detail: "an operator".into() };
    // What Python's `libra.core.codec` makes of {"side": "long", "sizes": [1, 2.5, None]}.
    let msgpack = b"\x82\xa4side\xa4long\xa5sizes\x93\x01\xcb\x40\x04\x00\x00\x00\x00\x00\x00\xc0";
    let python = Encoded::new("plain", msgpack.as_slice());
    vec![
        event(0, EventType::PositionUpdated, "BTC/USDT", Payload::shared(report(Some(5)))),
        event(1, EventType::PositionUpdated, "BTC/USDT", Payload::shared(report(None))),
        event(2, EventType::PositionOpened, "BTC/USDT", Payload::shared(held)),
        event(3, EventType::BalanceUpdated, "", Payload::shared(balance)),
        event(4, EventType::DrawdownWarning, "", Payload::shared(breach)),
        event(5, EventType::CircuitBreaker, "", Payload::shared(notice)),
        event(6, EventType::ActorState, "", Payload::shared(python)),
    ]
}

/// What actors of two nodes say to each other, the bodies in msgpack.
fn messages() -> Vec<Event> {
    let said = |kind, id, to, from, body| {
        let mail = Mail { kind, id, to, from, tag: "plain", body };
        Payload::shared(mail.encode().expect("short addresses"))
    };
    let ask = 5 << 64 | 6;
    let all = [
        said(MailKind::Tell, 0, "desk-main/portfolio", "node-1/ema", b"\x81\xa4size\x07"),
        said(MailKind::Ask, ask, "desk-main/portfolio", "node-1/", b"\xa3how"),
        said(MailKind::Reply, ask, "desk-main/", "node-1/ema", b"\x93\x01\x02\xc0"),
        said(MailKind::Refusal, ask, "desk-main/", "node-1/ema", b"\xa4busy"),
    ];
    (0..).zip(all).map(|(number, payload)| event(number, EventType::Message, "", payload)).collect()
}

fn in_channel(name: &'static str, lane: Lane, shard: &str, is_latest: bool, events: Vec<Event>) -> Sample {
    let channel = ChannelId::new(lane, shard, "node-1").expect("a channel's name");
    let mut writer = FrameWriter::new(&channel, EPOCH, Limits { events: 128, bytes: 1 << 20 });
    if is_latest {
        writer = writer.of_latest_values();
    }
    Sample { name, frame: finished(writer, &events), control: None, events }
}

fn message(name: &'static str, control: Control, events: Vec<Event>) -> Sample {
    let mut writer = FrameWriter::for_control("node-1", EPOCH).expect("a publisher's name");
    writer.begin(&control).expect("a short message");
    Sample { name, frame: finished(writer, &events), control: Some(control), events }
}

fn finished(mut writer: FrameWriter, events: &[Event]) -> Vec<u8> {
    for event in events {
        assert_eq!(writer.append(event), Ok(Append::Written));
    }
    writer.finish(41, SENT_NS).expect("something in it").to_vec()
}

/// All of them.
pub fn samples() -> Vec<Sample> {
    let channel = |lane, shard| ChannelId::new(lane, shard, "desk-main").expect("a channel's name");
    let place =
        |lane, shard, seq| ChannelPosition { channel: channel(lane, shard), position: Position::new(EPOCH, seq) };
    let positions = || vec![place(Lane::Orders, "all", 17), place(Lane::Risk, "main@binance", LATEST)];
    vec![
        in_channel("market", Lane::MarketData, "3", false, market()),
        in_channel("orders", Lane::Orders, "all", false, orders()),
        in_channel("messages", Lane::Signals, "all", false, messages()),
        in_channel("account", Lane::Orders, "state", true, account()),
        message("ack", Control::Ack(Ack { group: "node-1".into(), positions: positions() }), Vec::new()),
        message(
            "beacon",
            Control::Beacon(Beacon {
                incarnation: 0xfeed_beef_0000_0000_0000_0000_0000_0001,
                is_leaving: false,
                started_ns: 1_732_204_700_000_000_000,
                version: "0.1.0".into(),
                metrics_address: "10.0.0.7:9464".into(),
                channels: positions(),
                interests: vec![
                    Interest { lane: Lane::MarketData, shard: "3".into() },
                    Interest { lane: Lane::Orders, shard: "all".into() },
                ],
                shards: 8,
            }),
            Vec::new(),
        ),
        message(
            "snapshot_request",
            Control::SnapshotRequest(SnapshotRequest {
                request_id: 77,
                group: "node-1".into(),
                channel: channel(Lane::Orders, "all"),
                position: Position::new(EPOCH - 1, 3),
            }),
            Vec::new(),
        ),
        message(
            "snapshot",
            Control::Snapshot(Snapshot {
                request_id: 77,
                group: "node-2".into(),
                part: 1,
                parts: 2,
                positions: positions(),
            }),
            orders().split_off(2),
        ),
    ]
}

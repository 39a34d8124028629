//! Frames shaped as Binance's, with made-up values: what each becomes, and that no bytes make the parser panic.

use libra_kernel::Payload;
use libra_kernel::event::{Aggressor, Quote, Trade};
use libra_kernel::fixed::DecimalError;
use libra_market::binance::{Frame, FrameError, FrameParser, MarketFrame};
use libra_market::book::{BookUpdate, Level};
use libra_market::listing::{Listing, Listings};
use libra_market::venue::VenueKind;
use proptest::prelude::*;

const SPOT_QUOTE: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":500,"s":"BTCUSDT","b":"100.10000000","B":"1.50000000","a":"100.20000000","A":"2.00000000"}}"#;
const USDM_QUOTE: &str = r#"{"e":"bookTicker","u":501,"s":"BTCUSDT","b":"100.10","B":"1.500","a":"100.20","A":"2.000","T":1700000000001,"E":1700000000002}"#;
const COINM_QUOTE: &str = r#"{"stream":"btcusd_perp@bookTicker","data":{"u":502,"e":"bookTicker","s":"BTCUSD_PERP","ps":"BTCUSD","b":"100.1","B":"15","a":"100.2","A":"20","T":1700000000001,"E":1700000000002}}"#;
const SPOT_TRADE: &str = r#"{"e":"trade","E":1700000000003,"s":"BTCUSDT","t":77,"p":"100.15000000","q":"0.00100000","T":1700000000002,"m":true,"M":true}"#;
const USDM_TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000003,"T":1700000000002,"s":"BTCUSDT","t":78,"p":"100.10","q":"0.001","X":"MARKET","m":false}}"#;
const COINM_TRADE: &str = r#"{"e":"trade","E":1700000000003,"T":1700000000002,"s":"BTCUSD_PERP","t":79,"p":"100.1","q":"3","X":"MARKET","m":false}"#;
const SPOT_DEPTH: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1700000000004,"s":"BTCUSDT","U":10,"u":12,"b":[["100.00000000","0.00000000"]],"a":[["101.00000000","3.00000000"],["102.00000000","0.10000000"]]}}"#;
const USDM_DEPTH: &str = r#"{"e":"depthUpdate","E":1700000000004,"T":1700000000003,"s":"BTCUSDT","U":20,"u":22,"pu":19,"b":[["100.00","0.000"]],"a":[]}"#;
const COINM_DEPTH: &str = r#"{"e":"depthUpdate","E":1700000000004,"T":1700000000003,"s":"BTCUSD_240927","ps":"BTCUSD","U":20,"u":22,"pu":19,"b":[],"a":[["100.1","7"]]}"#;
const SNAPSHOT: &str = r#"{"lastUpdateId":21,"E":1700000000005,"T":1700000000004,"bids":[["100.00","1.000"],["99.90","2.000"]],"asks":[["100.10","4.000"]]}"#;

const ALL: [&str; 10] = [
    SPOT_QUOTE,
    USDM_QUOTE,
    COINM_QUOTE,
    SPOT_TRADE,
    USDM_TRADE,
    COINM_TRADE,
    SPOT_DEPTH,
    USDM_DEPTH,
    COINM_DEPTH,
    SNAPSHOT,
];

fn listings() -> Listings {
    Listings::new([
        Listing::new("BTC/USDT", VenueKind::BinanceSpot, "BTCUSDT", 2, 5),
        Listing::new("BTC/USDT:USDT", VenueKind::BinanceUsdm, "BTCUSDT", 1, 3),
        Listing::new("BTC/USD:BTC", VenueKind::BinanceCoinm, "BTCUSD_PERP", 1, 0),
    ])
    .unwrap()
}

fn parse(text: &str) -> Result<Frame, FrameError> {
    FrameParser::new().parse(&mut text.as_bytes().to_vec(), &mut listings(), None)
}

fn error(text: &str) -> FrameError {
    match parse(text) {
        Err(error) => error,
        Ok(_) => panic!("was read: {text}"),
    }
}

/// The instrument and payload of a frame; the listings of all calls are the same.
fn market(text: &str) -> (String, Payload) {
    let mut listings = listings();
    let home = listings.find(VenueKind::BinanceUsdm, b"BTCUSDT");
    match FrameParser::new().parse(&mut text.as_bytes().to_vec(), &mut listings, home).unwrap() {
        Frame::Market(MarketFrame { listing, payload, .. }) => (listings.get(listing).instrument.to_string(), payload),
        _ => panic!("no market data: {text}"),
    }
}

fn quote(text: &str) -> (String, Quote) {
    match market(text) {
        (instrument, Payload::Quote(quote)) => (instrument, quote),
        _ => panic!("no quote: {text}"),
    }
}

fn trade(text: &str) -> (String, Trade) {
    match market(text) {
        (instrument, Payload::Trade(trade)) => (instrument, trade),
        _ => panic!("no trade: {text}"),
    }
}

fn book(text: &str) -> (String, BookUpdate) {
    let (instrument, payload) = market(text);
    (instrument, payload.downcast::<BookUpdate>().unwrap().clone())
}

#[test]
fn quotes_of_each_venue() {
    let spot = Quote { bid: 10_010, ask: 10_020, bid_size: 150_000, ask_size: 200_000, ts_venue_ns: 0, venue_seq: 500 };
    assert_eq!(quote(SPOT_QUOTE), ("BTC/USDT@binance".into(), spot));
    let ts_venue_ns = 1_700_000_000_001_000_000;
    let usdm = Quote { bid: 1_001, ask: 1_002, bid_size: 1_500, ask_size: 2_000, ts_venue_ns, venue_seq: 501 };
    assert_eq!(quote(USDM_QUOTE), ("BTC/USDT:USDT@binanceusdm".into(), usdm));
    let coinm = Quote { bid: 1_001, ask: 1_002, bid_size: 15, ask_size: 20, ts_venue_ns, venue_seq: 502 };
    assert_eq!(quote(COINM_QUOTE), ("BTC/USD:BTC@binancecoinm".into(), coinm));
}

#[test]
fn trades_of_each_venue() {
    let ts_venue_ns = 1_700_000_000_002_000_000;
    let spot = Trade { price: 10_015, size: 100, trade_id: 77, ts_venue_ns, aggressor: Aggressor::Seller };
    assert_eq!(trade(SPOT_TRADE), ("BTC/USDT@binance".into(), spot));
    let usdm = Trade { price: 1_001, size: 1, trade_id: 78, ts_venue_ns, aggressor: Aggressor::Buyer };
    assert_eq!(trade(USDM_TRADE), ("BTC/USDT:USDT@binanceusdm".into(), usdm));
    assert_eq!(trade(COINM_TRADE).0, "BTC/USD:BTC@binancecoinm");
    // A client may ask for microseconds.
    let micro = SPOT_TRADE.replace("1700000000002,", "1700000000002345,");
    assert_eq!(trade(&micro).1.ts_venue_ns, 1_700_000_000_002_345_000);
}

#[test]
fn depth_of_each_venue_and_a_snapshot() {
    let (instrument, spot) = book(SPOT_DEPTH);
    assert_eq!((instrument.as_str(), spot.first_id, spot.last_id, spot.previous_id), ("BTC/USDT@binance", 10, 12, -1));
    assert_eq!(spot.bids, [Level { price: 10_000, size: 0 }]);
    assert_eq!(spot.asks, [Level { price: 10_100, size: 300_000 }, Level { price: 10_200, size: 10_000 }]);
    assert_eq!(spot.ts_venue_ns, 1_700_000_000_004_000_000);
    let (instrument, usdm) = book(USDM_DEPTH);
    assert_eq!((instrument.as_str(), usdm.previous_id, usdm.snapshot), ("BTC/USDT:USDT@binanceusdm", 19, false));
    assert_eq!(book(COINM_DEPTH).0, "BTC/USD:BTC-240927@binancecoinm");
    let (instrument, snapshot) = book(SNAPSHOT);
    assert_eq!(instrument, "BTC/USDT:USDT@binanceusdm", "a snapshot without a symbol is the home's");
    assert_eq!((snapshot.snapshot, snapshot.first_id, snapshot.last_id, snapshot.previous_id), (true, 21, 21, -1));
    assert_eq!((snapshot.bids.len(), snapshot.asks.len()), (2, 1));
    assert!(matches!(parse(SNAPSHOT), Ok(Frame::SnapshotOfUnknown)));
    let named =
        SNAPSHOT.replace("{\"last", "{\"symbol\":\"BTCUSD_PERP\",\"pair\":\"BTCUSD\",\"last").replace(".000\"", "\"");
    assert_eq!(book(&named).0, "BTC/USD:BTC@binancecoinm");
}

#[test]
fn order_of_keys_unknown_fields_escapes_and_extra_level_fields_do_not_matter() {
    let turned = r#"{"zz":{"s":"NO","b":[1,[2]]},"data":{"A":"2.000","x":null,"a":"100.20","B":"1.500","n":[[["s"]]],"b":"100.10","s":"BTC\u0055SDT","T":1700000000001,"u":501,"e":"book\u0054icker"},"stream":"x"}"#;
    assert_eq!(quote(turned), quote(USDM_QUOTE));
    let extra = USDM_DEPTH.replace(r#"["100.00","0.000"]"#, r#"["100.00","0.000",["x",{"y":1}],3],["99.0","1"]"#);
    assert_eq!(book(&extra).1.bids, [Level { price: 1_000, size: 0 }, Level { price: 990, size: 1_000 }]);
    let spaced = format!(" \t{USDM_QUOTE} \r");
    assert_eq!(quote(&spaced), quote(USDM_QUOTE));
}

#[test]
fn a_one_sided_quote_has_zeros() {
    let (_, quote) = quote(&USDM_QUOTE.replace("\"100.10\"", "\"0.00\"").replace("\"1.500\"", "\"0.000\""));
    assert_eq!((quote.bid, quote.bid_size, quote.ask), (0, 0, 1_002));
}

#[test]
fn crossed_quotes_and_snapshots_are_no_market_data() {
    for text in [USDM_QUOTE.replace("100.10", "100.20"), USDM_QUOTE.replace("100.10", "100.30")] {
        assert!(matches!(parse(&text), Ok(Frame::Crossed { ask: 1_002, .. })), "{text}");
    }
    let named = SNAPSHOT.replace("{\"last", "{\"s\":\"BTCUSDT\",\"last").replace("99.90", "100.20");
    assert!(matches!(parse(&named), Ok(Frame::Crossed { bid: 1_002, ask: 1_001, .. })));
}

#[test]
fn an_entry_without_price_in_the_trade_stream_is_no_trade() {
    let none = USDM_TRADE.replace("100.10", "0").replace("0.001", "0").replace("MARKET", "NA");
    assert!(matches!(parse(&none), Ok(Frame::NonTrade { .. })));
    let half = USDM_TRADE.replace("\"100.10\"", "\"0\"").replace("MARKET", "NA");
    assert_eq!(error(&half), FrameError::Value { field: "p", value: 0 });
    let spot = SPOT_TRADE.replace("100.15000000", "0").replace("0.00100000", "0");
    assert_eq!(error(&spot), FrameError::Value { field: "p", value: 0 });
}

#[test]
fn kinds_that_are_not_read_are_unknown() {
    for text in [
        r#"{"e":"aggTrade","s":"BTCUSDT","p":"1","q":"1"}"#,
        r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","k":{}}}"#,
        r#"{"result":null,"id":1}"#,
        r#"{}"#,
        r#"{"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]}"#,
        r#"{"stream":"btcusdt@depth20@100ms","data":{"lastUpdateId":1,"bids":[],"asks":[]}}"#,
    ] {
        assert!(matches!(parse(text), Ok(Frame::Unknown(_))), "{text}");
    }
}

#[test]
fn malformed_frames_say_why() {
    use FrameError::{Ids, Missing, NotAnObject, Type, Value};
    let number =
        |field, text: &str, decimals, reason| FrameError::Number { field, text: text.into(), decimals, reason };
    for (text, want) in [
        ("[1]".into(), NotAnObject),
        ("5".into(), NotAnObject),
        (USDM_QUOTE.replace("\"s\":\"BTCUSDT\",", ""), Missing("s")),
        (USDM_QUOTE.replace("\"b\":\"100.10\",", ""), Missing("b")),
        (USDM_QUOTE.replace("\"100.10\"", "100.10"), Type { field: "b", wanted: "a string" }),
        (USDM_QUOTE.replace("100.10", "100.11"), number("b", "100.11", 1, DecimalError::TooPrecise)),
        (USDM_QUOTE.replace("100.10", "1e2"), number("b", "1e2", 1, DecimalError::Malformed)),
        (
            USDM_QUOTE.replace("100.10", "9999999999999999999"),
            number("b", "9999999999999999999", 1, DecimalError::Overflow),
        ),
        (USDM_QUOTE.replace("100.10", "-1"), Value { field: "b", value: -10 }),
        (USDM_QUOTE.replace("1.500", "0"), Value { field: "B", value: 0 }),
        (USDM_QUOTE.replace("501", "-1"), Value { field: "u", value: -1 }),
        (USDM_QUOTE.replace("501", "1.5"), Type { field: "u", wanted: "a whole number of 63 bits" }),
        (USDM_QUOTE.replace("501", "18446744073709551615"), Type { field: "u", wanted: "a whole number of 63 bits" }),
        (USDM_QUOTE.replace("1700000000001", "9223372036854775807"), Value { field: "T", value: i64::MAX }),
        (USDM_TRADE.replace("0.001", "0"), Value { field: "q", value: 0 }),
        (USDM_TRADE.replace(",\"m\":false", ""), Missing("m")),
        (USDM_TRADE.replace("false", "0"), Type { field: "m", wanted: "true or false" }),
        (USDM_TRADE.replace("\"t\":78,", ""), Missing("t")),
        (USDM_DEPTH.replace("\"U\":20", "\"U\":23"), Ids { first: 23, last: 22 }),
        (USDM_DEPTH.replace("\"a\":[]", "\"a\":{}"), Type { field: "a", wanted: "an array" }),
        (USDM_DEPTH.replace("0.000", "-0.001"), Value { field: "b", value: -1 }),
        (USDM_DEPTH.replace("100.00", "0"), Value { field: "b", value: 0 }),
    ] {
        assert_eq!(error(&text), want, "{text}");
    }
    for level in ["[\"1\"]", "[]", "1", "[1,2]", "{\"a\":\"1\"}", "[[\"1\"],\"1\"]"] {
        let text = USDM_DEPTH.replace(r#"["100.00","0.000"]"#, level);
        assert!(matches!(error(&text), Type { field: "b", .. }), "{text}");
    }
    for text in ["", " ", "{", "nul", "{\"e\":\"bookTicker\"", &USDM_QUOTE[1..], "\u{0}", &format!("{USDM_QUOTE}x")] {
        assert!(matches!(error(text), FrameError::Json(_)), "{text}");
    }
    let message = error(&USDM_QUOTE.replace("100.10", "100.11")).to_string();
    assert_eq!(message, r#""b" "100.11": more decimals than the instrument has (1 decimals)"#);
}

#[test]
fn only_a_frame_that_can_be_read_adds_an_instrument() {
    let mut listings = Listings::default();
    let mut parser = FrameParser::new();
    let mut read = |text: &str| parser.parse(&mut text.as_bytes().to_vec(), &mut listings, None).is_ok();
    assert!(!read(&USDM_QUOTE.replace("100.10", "x".repeat(30).as_str())));
    assert!(!read(&USDM_QUOTE.replace("BTCUSDT", "BTC USDT")));
    assert!(read(USDM_QUOTE));
    let inferred: Vec<_> = listings.all().iter().map(|l| (l.instrument.as_str(), l.decimals(), l.listed)).collect();
    assert_eq!(inferred, [("BTC/USDT:USDT@binanceusdm", (8, 8), false)]);
}

/// What must hold whatever the bytes: no panic, and no number in an event that no market could send.
fn holds(bytes: &[u8]) {
    let mut listings = listings();
    let home = listings.find(VenueKind::BinanceUsdm, b"BTCUSDT");
    let mut parser = FrameParser::new();
    let plain = parser.parse(&mut bytes.to_vec(), &mut listings, home);
    let mut padded = bytes.to_vec();
    padded.extend((0..64).map(|i| b"\"}],:\\1a"[i % 8]));
    let before = padded[bytes.len()..].to_vec();
    let other = parser.parse_padded(&mut padded, bytes.len(), &mut listings, home);
    assert_eq!(padded[bytes.len()..], before, "the padding is left alone");
    assert_eq!(plain.is_ok(), other.is_ok(), "both ways read alike");
    let (Ok(Frame::Market(frame)), Ok(Frame::Market(twin))) = (plain, other) else { return };
    assert_eq!((frame.listing, frame.event_type, frame.depth), (twin.listing, twin.event_type, twin.depth));
    match frame.payload {
        Payload::Quote(quote) => {
            assert!(quote.bid >= 0 && quote.ask >= 0 && quote.bid_size >= 0 && quote.ask_size >= 0);
            assert!(quote.bid == 0 || quote.ask == 0 || quote.bid < quote.ask);
        }
        Payload::Trade(trade) => assert!(trade.price > 0 && trade.size > 0 && trade.ts_venue_ns >= 0),
        payload => {
            let book: &BookUpdate = payload.downcast().unwrap();
            assert!(book.first_id <= book.last_id);
            assert!(book.bids.iter().chain(&book.asks).all(|level| level.price > 0 && level.size >= 0));
        }
    }
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(usize, u8),
    Delete(usize),
    Insert(usize, u8),
    Cut(usize),
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]\",:\\0123456789.-eE+utnfase \n".to_vec())];
    prop_oneof![
        (0usize..400, byte.clone()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (0usize..400).prop_map(Mutation::Delete),
        (0usize..400, byte).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (0usize..400).prop_map(Mutation::Cut),
        (0usize..400, 1usize..40).prop_map(|(at, length)| Mutation::Repeat(at, length)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let length = bytes.len().max(1);
    match *mutation {
        _ if bytes.is_empty() => {}
        Mutation::Set(at, byte) => bytes[at % length] = byte,
        Mutation::Delete(at) => drop(bytes.remove(at % length)),
        Mutation::Insert(at, byte) => bytes.insert(at % length, byte),
        Mutation::Cut(at) => bytes.truncate(at),
        Mutation::Repeat(at, span) => {
            let from = at % length;
            let piece = bytes[from..(from + span).min(length)].to_vec();
            bytes.splice(from..from, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes);
    }

    #[test]
    fn any_json_of_our_keys_is_a_frame_or_an_error(
        pairs in proptest::collection::vec((
            proptest::sample::select(vec!["e", "s", "b", "B", "a", "A", "p", "q", "X", "M", "m", "E", "T", "U", "u", "pu", "ps", "t", "lastUpdateId", "bids", "asks", "stream", "data", "symbol"]),
            proptest::sample::select(vec!["\"bookTicker\"", "\"trade\"", "\"depthUpdate\"", "\"BTCUSDT\"", "\"1.5\"", "\"0\"", "\"-1\"", "1", "0", "-3", "99999999999999999999", "1e400", "true", "null", "[]", "[[\"1\",\"2\"]]", "[[\"1\"]]", "{}", "{\"e\":\"trade\"}", "\"btcusdt@trade\"", "\"\"", "\"NA\""]),
        ), 0..16),
    ) {
        let body: Vec<String> = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        holds(format!("{{{}}}", body.join(",")).as_bytes());
    }

    #[test]
    fn damaged_frames_are_a_frame_or_an_error(which in 0..ALL.len(), mutations in proptest::collection::vec(mutation(), 1..6)) {
        let mut bytes = ALL[which].as_bytes().to_vec();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        holds(&bytes);
    }
}

#[test]
fn deep_nesting_is_an_error() {
    holds(&b"[".repeat(1_000_000));
    holds(&[b"{\"data\":".repeat(100_000), b"1".to_vec(), b"}".repeat(100_000)].concat());
}

//! Replies in pieces, replies that no server should send, and a model of RESP3 to compare with.

use proptest::prelude::*;

use super::*;
use crate::resp::limits::DEEPEST;

/// A value as a test would write it down.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Simple(String),
    Error(String),
    LongError(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    Verbatim(Vec<u8>),
    Null(u8),
    Bool(bool),
    Double(f64),
    Big(String),
    Array(Vec<Value>),
    Set(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Push(Vec<Value>),
    Attributed(Vec<(Value, Value)>, Box<Value>),
}

impl Value {
    fn write(&self, to: &mut Vec<u8>) {
        let sized = |to: &mut Vec<u8>, kind: char, bytes: &[u8]| {
            to.extend_from_slice(format!("{kind}{}\r\n", bytes.len()).as_bytes());
            to.extend_from_slice(bytes);
            to.extend_from_slice(b"\r\n");
        };
        let many = |to: &mut Vec<u8>, kind: char, values: &[Value]| {
            to.extend_from_slice(format!("{kind}{}\r\n", values.len()).as_bytes());
            values.iter().for_each(|value| value.write(to));
        };
        let pairs = |to: &mut Vec<u8>, kind: char, pairs: &[(Value, Value)]| {
            to.extend_from_slice(format!("{kind}{}\r\n", pairs.len()).as_bytes());
            for (key, value) in pairs {
                key.write(to);
                value.write(to);
            }
        };
        match self {
            Value::Simple(text) => to.extend_from_slice(format!("+{text}\r\n").as_bytes()),
            Value::Error(text) => to.extend_from_slice(format!("-{text}\r\n").as_bytes()),
            Value::LongError(bytes) => sized(to, '!', bytes),
            Value::Int(number) => to.extend_from_slice(format!(":{number}\r\n").as_bytes()),
            Value::Bulk(bytes) => sized(to, '$', bytes),
            Value::Verbatim(bytes) => sized(to, '=', &[b"txt:", &bytes[..]].concat()),
            Value::Null(way) => to.extend_from_slice([&b"_\r\n"[..], b"$-1\r\n", b"*-1\r\n"][usize::from(*way)]),
            Value::Bool(yes) => to.extend_from_slice(if *yes { b"#t\r\n" } else { b"#f\r\n" }),
            Value::Double(number) => to.extend_from_slice(format!(",{number}\r\n").as_bytes()),
            Value::Big(digits) => to.extend_from_slice(format!("({digits}\r\n").as_bytes()),
            Value::Array(values) => many(to, '*', values),
            Value::Set(values) => many(to, '~', values),
            Value::Push(values) => many(to, '>', values),
            Value::Map(inner) => pairs(to, '%', inner),
            Value::Attributed(inner, value) => {
                pairs(to, '|', inner);
                value.write(to);
            }
        }
    }

    /// Whether the reply says the same. Attributes are passed over.
    fn same(&self, reply: Reply<'_>) -> bool {
        let all = |values: &[Value], items: crate::resp::Items<'_>| {
            items.len() == values.len() && values.iter().zip(items).all(|(value, reply)| value.same(reply))
        };
        match (self, reply) {
            (Value::Simple(text), Reply::Simple(got)) | (Value::Error(text), Reply::Error(got)) => {
                got == text.as_bytes()
            }
            (Value::LongError(bytes), Reply::Error(got)) | (Value::Bulk(bytes), Reply::Bulk(got)) => got == bytes,
            (Value::Verbatim(bytes), Reply::Verbatim(format, got)) => format == b"txt" && got == bytes,
            (Value::Int(number), Reply::Int(got)) => got == *number,
            (Value::Null(_), Reply::Null) => true,
            (Value::Bool(yes), Reply::Bool(got)) => got == *yes,
            (Value::Double(number), Reply::Double(got)) => got == *number,
            (Value::Big(digits), Reply::BigNumber(got)) => got == digits.as_bytes(),
            (Value::Array(values), Reply::Array(got))
            | (Value::Set(values), Reply::Set(got))
            | (Value::Push(values), Reply::Push(got)) => all(values, got),
            (Value::Map(pairs), Reply::Map(got)) => {
                let flat: Vec<Value> = pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
                all(&flat, got)
            }
            (Value::Attributed(_, value), got) => value.same(got),
            _ => false,
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![
        "[ -~]{0,12}".prop_map(Value::Simple),
        "[A-Z]{2,8} [ -~]{0,12}".prop_map(Value::Error),
        bytes().prop_map(Value::LongError),
        any::<i64>().prop_map(Value::Int),
        bytes().prop_map(Value::Bulk),
        bytes().prop_map(Value::Verbatim),
        (0u8..3).prop_map(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-1e9..1e9f64).prop_map(Value::Double),
        "-?[0-9]{1,60}".prop_map(Value::Big),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let many = || proptest::collection::vec(inner.clone(), 0..5);
        let pairs = || proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            many().prop_map(Value::Array),
            many().prop_map(Value::Set),
            pairs().prop_map(Value::Map),
            many().prop_map(Value::Push),
            (pairs(), inner.clone()).prop_map(|(attributes, value)| Value::Attributed(attributes, Box::new(value))),
        ]
    })
}

fn give(inbox: &mut Inbox, bytes: &[u8]) {
    let count = inbox.fill(|room| {
        room[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    });
    assert_eq!(count.unwrap(), bytes.len());
}

proptest! {
    /// However the bytes are cut, the replies are those that were written.
    #[test]
    fn any_split_gives_the_same_replies(
        values in proptest::collection::vec(value(), 1..8),
        cuts in proptest::collection::vec(1usize..30, 1..20),
    ) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.write(&mut bytes));
        let mut inbox = Inbox::new(Limits::default());
        let (mut rest, mut cuts, mut expected) = (&bytes[..], cuts.iter().cycle(), values.iter());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            give(&mut inbox, piece);
            rest = later;
            while let Some(reply) = inbox.next_reply().unwrap() {
                let wanted = expected.next().expect("no more replies than were written");
                prop_assert!(wanted.same(reply), "{wanted:?} came as {reply:?}");
            }
        }
        prop_assert!(expected.next().is_none());
        prop_assert!(inbox.is_empty());
    }

    /// Whatever comes is read or refused; what was read can be walked to its end.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"+-:$!=*~>%|_#,(0123456789\r\n\r\n"[..])], 0..400),
        cut in 1usize..50,
    ) {
        fn walk(reply: Reply<'_>) {
            if let Some(items) = reply.items() {
                let promised = items.len();
                assert_eq!(items.inspect(|inner| walk(*inner)).count(), promised);
            }
        }
        let mut inbox = Inbox::new(Limits { largest: 2000 });
        'bytes: for piece in bytes.chunks(cut) {
            give(&mut inbox, piece);
            loop {
                match inbox.next_reply() {
                    Ok(Some(reply)) => walk(reply),
                    Ok(None) => break,
                    Err(_) => break 'bytes,
                }
            }
        }
    }
}

fn refused(bytes: &[u8], limits: Limits) -> ProtocolError {
    let mut inbox = Inbox::new(limits);
    give(&mut inbox, bytes);
    let error = inbox.next_reply().expect_err("it should be refused");
    assert_eq!(inbox.next_reply().map(|_| ()), Err(error.clone()), "and stay refused");
    assert_eq!(inbox.capacity(), USUAL, "nothing was allocated for a claim");
    error
}

#[test]
fn a_claim_beyond_the_limit_is_refused_before_its_bytes_come() {
    let limits = Limits::default();
    for claim in
        ["$536870912\r\n", "!536870912\r\n", "*536870912\r\n", "%99999999\r\n", "*2\r\n$5\r\nhello\r\n$16777216\r\n"]
    {
        assert!(matches!(refused(claim.as_bytes(), limits), ProtocolError::TooLarge { .. }), "{claim:?}");
    }
    assert!(matches!(refused(b"$9223372036854775807\r\n", limits), ProtocolError::TooLarge { .. }));
    assert!(matches!(refused(b"$9223372036854775808\r\n", limits), ProtocolError::Malformed(_)));
}

#[test]
fn the_largest_reply_is_counted_as_a_whole() {
    let limits = Limits { largest: 1000 };
    let many = [&b"*3\r\n"[..], &[&b"$400\r\n"[..], &[b'x'; 400], b"\r\n"].concat().repeat(3)].concat();
    assert!(matches!(refused(&many, limits), ProtocolError::TooLarge { largest: 1000, .. }));
    let mut inbox = Inbox::new(Limits { largest: 1300 });
    give(&mut inbox, &many);
    assert!(inbox.next_reply().unwrap().is_some());
}

#[test]
fn many_small_values_are_no_way_around_the_limit() {
    let limits = Limits { largest: 3000 };
    let line = [&b"+"[..], &[b'x'; 900], b"\r\n"].concat();
    let many = [&b"*900\r\n"[..], &line.repeat(20)].concat();
    assert!(matches!(refused(&many, limits), ProtocolError::TooLarge { .. }));
}

#[test]
fn nesting_has_an_end() {
    let deep = |levels: usize| [b"*1\r\n".repeat(levels), b":1\r\n".to_vec()].concat();
    let mut inbox = Inbox::new(Limits::default());
    give(&mut inbox, &deep(DEEPEST));
    assert!(inbox.next_reply().unwrap().is_some());
    assert_eq!(refused(&deep(DEEPEST + 1), Limits::default()), ProtocolError::TooDeep);
}

#[test]
fn what_resp3_does_not_know_is_refused() {
    for wrong in [
        "HTTP/1.1 400 Bad Request\r\n",
        "$?\r\n",
        "*?\r\n",
        ":\r\n",
        ":1x\r\n",
        ":--1\r\n",
        ":99999999999999999999\r\n",
        "$-2\r\n",
        "$+5\r\n",
        "$5\r\nhelloXX",
        "_x\r\n",
        "#y\r\n",
        ",1.2.3\r\n",
        "(12a\r\n",
        "=3\r\ntxt\r\n",
        "%-1\r\n",
        "+a\nb\r\n",
        "\r\n",
    ] {
        let error = refused(wrong.as_bytes(), Limits::default());
        assert!(!matches!(error, ProtocolError::TooLarge { .. }), "{wrong:?}: {error}");
    }
    assert_eq!(refused(&[&b"-"[..], &[b'x'; 70_000]].concat(), Limits::default()), ProtocolError::LongLine);
    assert_eq!(refused(&[b':'; 100], Limits::default()), ProtocolError::LongLine);
}

#[test]
fn a_large_reply_grows_the_buffer_and_gives_it_back() {
    let mut inbox = Inbox::new(Limits::default());
    let mut bytes = b"$3000000\r\n".to_vec();
    bytes.resize(bytes.len() + 3_000_000, b'z');
    bytes.extend_from_slice(b"\r\n");
    for piece in bytes.chunks(ROOM) {
        assert!(inbox.next_reply().unwrap().is_none());
        give(&mut inbox, piece);
    }
    assert!(inbox.capacity() < 8 << 20);
    assert_eq!(inbox.next_reply().unwrap().and_then(Reply::bytes).map(<[u8]>::len), Some(3_000_000));
    give(&mut inbox, b"+OK\r\n");
    assert_eq!(inbox.capacity(), USUAL);
    assert_eq!(inbox.next_reply().unwrap(), Some(Reply::Simple(b"OK")));
}

#[test]
fn messages_are_told_from_other_pushes() {
    let mut inbox = Inbox::new(Limits::default());
    give(
        &mut inbox,
        b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\n\r\n\r\n:7\r\n",
    );
    let first = inbox.next_reply().unwrap().unwrap();
    assert_eq!(first.message(), None);
    assert!(matches!(first, Reply::Push(_)));
    assert_eq!(inbox.next_reply().unwrap().unwrap().message(), Some((&b"c"[..], &b"\r\n"[..])));
    assert_eq!(inbox.next_reply().unwrap(), Some(Reply::Int(7)));
    assert_eq!(inbox.next_reply().unwrap(), None);
}

#[test]
fn values_are_found_by_key_in_maps_and_in_flat_arrays() {
    let mut inbox = Inbox::new(Limits::default());
    give(&mut inbox, b"%2\r\n+a\r\n*1\r\n:1\r\n+b\r\n:2\r\n*4\r\n$1\r\na\r\n$2\r\n11\r\n$1\r\nb\r\n,1.5\r\n");
    assert_eq!(inbox.next_reply().unwrap().unwrap().get("b").and_then(Reply::int), Some(2));
    let flat = inbox.next_reply().unwrap().unwrap();
    assert_eq!(flat.get("a").and_then(Reply::int), Some(11));
    assert_eq!(flat.get("b"), Some(Reply::Double(1.5)));
    assert_eq!(flat.get("c"), None);
}

//! Commands in flight, and messages that come between their answers.

use std::time::{Duration, Instant};

use libra_net::resp::{Connection, Reply, wait};

use crate::valkey::Valkey;

/// Reads until `enough` says so.
pub fn read_until(connection: &mut Connection, mut enough: impl FnMut(Reply<'_>) -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        connection.flush().unwrap();
        while let Some(reply) = connection.next_reply().unwrap() {
            if enough(reply) {
                return;
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        assert!(wait(&mut [connection.watch()], Some(left)).unwrap() > 0, "nothing came any more");
        connection.fill().unwrap();
    }
}

pub fn subscribe(connection: &mut Connection, channel: &[u8]) {
    connection.commands().push(&[b"SUBSCRIBE", channel]);
    read_until(connection, |reply| {
        reply.items().and_then(|mut items| items.next()).and_then(Reply::text) == Some("subscribe")
    });
}

#[test]
fn ten_thousand_commands_are_answered_in_order() {
    let Some(server) = Valkey::start("") else { return };
    for endpoint in [server.tcp(), server.unix()] {
        let mut connection = Connection::connect(&endpoint, &libra_net::resp::Options::new("test")).unwrap();
        let payload = [b'x'; 1000];
        for number in 0..10_000 {
            connection.commands().command(3).bulk(b"SET").bulk(b"key").int(number);
            connection.commands().command(2).bulk(b"ECHO").bulk_with(1000, |bytes| {
                bytes.extend_from_slice(&payload);
                bytes.extend_from_slice(number.to_string().as_bytes());
            });
            connection.commands().push(&[b"GET", b"key"]);
        }
        let mut count = 0;
        read_until(&mut connection, |reply| {
            let number = count / 3;
            match count % 3 {
                0 => assert_eq!(reply, Reply::Simple(b"OK")),
                1 => assert_eq!(reply.bytes().unwrap()[1000..], *number.to_string().as_bytes()),
                _ => assert_eq!(reply.int(), Some(number)),
            }
            count += 1;
            count == 30_000
        });
        assert!(!connection.wants_write());
    }
}

#[test]
fn who_reads_until_a_connection_is_drained_and_then_waits_misses_nothing() {
    let Some(server) = Valkey::start("") else { return };
    for endpoint in [server.tcp(), server.unix()] {
        let mut connection = Connection::connect(&endpoint, &libra_net::resp::Options::new("test")).unwrap();
        let payload = [b'x'; 50_000];
        (0..200).for_each(|_| connection.commands().push(&[b"ECHO", &payload]));
        let mut count = 0;
        while count < 200 {
            connection.flush().unwrap();
            assert!(wait(&mut [connection.watch()], Some(Duration::from_secs(20))).unwrap() > 0, "after {count}");
            while connection.fill().unwrap() > 0 && !connection.is_drained() {}
            while let Some(reply) = connection.next_reply().unwrap() {
                assert_eq!(reply.bytes(), Some(&payload[..]));
                count += 1;
            }
        }
        assert!(connection.is_drained());
        assert_eq!(connection.fill().unwrap(), 0, "it had nothing left");
    }
}

#[test]
fn messages_between_answers_are_told_apart() {
    let Some(server) = Valkey::start("") else { return };
    let mut connection = server.connect();
    subscribe(&mut connection, b"c");
    let mut other = server.connect();
    for number in 0..2_000 {
        connection.commands().command(2).bulk(b"ECHO").int(number);
        other.commands().command(3).bulk(b"PUBLISH").bulk(b"c").int(number);
        if number % 50 == 0 {
            connection.flush().unwrap();
            other.flush().unwrap();
        }
    }
    let mut answers = 0;
    read_until(&mut other, |reply| {
        assert_eq!(reply, Reply::Int(1), "one subscriber");
        answers += 1;
        answers == 2_000
    });
    let (mut echoed, mut pushed) = (0, 0);
    read_until(&mut connection, |reply| {
        match reply.message() {
            Some((channel, payload)) => {
                assert_eq!((channel, payload), (&b"c"[..], pushed.to_string().as_bytes()));
                pushed += 1;
            }
            None => {
                assert_eq!(reply.int(), Some(echoed));
                echoed += 1;
            }
        }
        (echoed, pushed) == (2_000, 2_000)
    });
}

#[test]
fn a_call_keeps_the_messages_that_come_before_its_answer() {
    let Some(server) = Valkey::start("") else { return };
    let mut connection = server.connect();
    subscribe(&mut connection, b"c");
    let mut other = server.connect();
    assert_eq!(other.call(&[b"PUBLISH", b"c", b"1"]).unwrap(), Reply::Int(1));
    assert_eq!(other.call(&[b"PUBLISH", b"c", b"2"]).unwrap(), Reply::Int(1));
    assert_eq!(connection.call(&[b"ECHO", b"x"]).unwrap(), Reply::Bulk(b"x"));
    assert_eq!(connection.next_reply().unwrap().unwrap().message(), Some((&b"c"[..], &b"1"[..])));
    assert_eq!(connection.next_reply().unwrap().unwrap().message(), Some((&b"c"[..], &b"2"[..])));
    assert_eq!(connection.next_reply().unwrap(), None);
}

#[test]
fn replies_of_resp3_are_what_the_server_means() {
    let Some(server) = Valkey::start("") else { return };
    let mut connection = server.connect();
    let mut debug = |kind: &str| {
        let reply = connection.call(&[b"EVAL", format!("server.setresp(3); return {kind}").as_bytes(), b"0"]).unwrap();
        format!("{reply:?}")
    };
    assert_eq!(debug("true"), "Bool(true)");
    assert_eq!(debug("{double=1.5}"), "Double(1.5)");
    assert_eq!(debug("nil"), "Null");
    assert!(debug("{map={a=1}}").starts_with("Map"));
    assert!(debug("{set={a=true}}").starts_with("Set"));
    assert!(debug("{big_number='123456789012345678901234567890'}").starts_with("BigNumber"));
    assert!(debug("{verbatim_string={string='x', format='txt'}}").starts_with("Verbatim"));
}

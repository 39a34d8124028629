//! Connections that end, and servers that fall silent.

use std::time::Duration;

use libra_net::resp::{Connection, Endpoint, Limits, Liveness, Options, Pulse, RespError, wait};

use crate::valkey::Valkey;

/// Reads until the connection fails.
fn read_until_broken(connection: &mut Connection) -> RespError {
    loop {
        let ready = wait(&mut [connection.watch()], Some(Duration::from_secs(20))).unwrap();
        assert!(ready > 0, "nothing comes, not even an end");
        if let Err(error) = connection.fill() {
            return error;
        }
        while connection.next_reply().unwrap().is_some() {}
    }
}

#[test]
fn a_killed_client_reads_an_end() {
    let Some(server) = Valkey::start("") else { return };
    for endpoint in [server.tcp(), server.unix()] {
        let mut connection = Connection::connect(&endpoint, &Options::new("victim")).unwrap();
        let id = connection.server().client_id.to_string();
        server.connect().call(&[b"CLIENT", b"KILL", b"ID", id.as_bytes()]).unwrap();
        let error = read_until_broken(&mut connection);
        assert!(error.to_string().contains("the server closed it") || error.to_string().contains("reset"), "{error}");
        assert!(error.may_pass());
    }
}

#[test]
fn a_killed_server_reads_as_an_end() {
    let Some(mut server) = Valkey::start("") else { return };
    let mut connection = server.connect();
    server.kill();
    let error = read_until_broken(&mut connection);
    assert!(matches!(error, RespError::Closed { .. }), "{error}");
}

/// The server is real and so is its silence; the clock is not, so that a slow machine changes nothing.
#[test]
fn a_stopped_server_is_noticed_in_a_second_and_a_living_one_is_not_given_up() {
    let Some(server) = Valkey::start("") else { return };
    let mut connection = server.connect();
    let mut now_ns = 0;
    let mut liveness = Liveness::new(now_ns);
    let mut asked = 0;
    while asked < 3 {
        match liveness.check(now_ns) {
            Pulse::Fine(pause) => now_ns += pause.as_nanos() as i64,
            Pulse::Ask => {
                connection.call(&[b"PING"]).unwrap();
                liveness.heard(now_ns);
                asked += 1;
            }
            Pulse::Dead => panic!("the server answers"),
        }
    }
    server.stop();
    let stopped_ns = now_ns;
    loop {
        connection.flush().unwrap();
        assert_eq!(connection.fill().unwrap(), 0, "a stopped server says nothing");
        match liveness.check(now_ns) {
            Pulse::Fine(pause) => now_ns += pause.as_nanos() as i64,
            Pulse::Ask => connection.commands().push(&[b"PING"]),
            Pulse::Dead => break,
        }
    }
    server.signal(libc::SIGCONT);
    assert_eq!(now_ns - stopped_ns, 1_000_000_000);
}

#[test]
fn a_call_to_a_stopped_server_ends_and_so_does_connecting() {
    let Some(server) = Valkey::start("") else { return };
    let short = Duration::from_millis(100);
    let options = Options { answer_within: short, connect_within: short, ..Options::new("test") };
    let mut connection = server.connect();
    connection.set_answer_within(short);
    server.stop();
    let called = connection.call(&[b"PING"]).map(drop);
    let connected =
        [server.tcp(), server.unix()].map(|endpoint: Endpoint| Connection::connect(&endpoint, &options).map(drop));
    server.signal(libc::SIGCONT);
    assert!(matches!(&called, Err(RespError::TimedOut { during, .. }) if during == "PING"), "{called:?}");
    for connected in connected {
        assert!(matches!(&connected, Err(RespError::TimedOut { during, .. }) if during == "HELLO"), "{connected:?}");
    }
}

#[test]
fn an_answer_beyond_the_limit_ends_the_connection_with_a_reason() {
    let Some(server) = Valkey::start("") else { return };
    let options = Options { limits: Limits { largest: 100_000 }, ..Options::new("test") };
    let mut connection = Connection::connect(&server.unix(), &options).unwrap();
    server.connect().call(&[b"SET", b"key", &[b'x'; 100_001]]).unwrap();
    let error = connection.call(&[b"GET", b"key"]).unwrap_err();
    assert!(matches!(error, RespError::Protocol { .. }), "{error}");
    assert!(error.to_string().contains("at most 100000 are taken"), "{error}");
    assert!(connection.next_reply().is_err(), "nothing behind it is read");
}

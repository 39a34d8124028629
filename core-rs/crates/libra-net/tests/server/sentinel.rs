//! A failover that real sentinels do, followed.

use std::time::{Duration, Instant};

use libra_net::resp::{
    Backoff, BackoffLimits, Connection, Connector, Endpoint, Host, Options, Place, Reply, RespError, Role,
};

use crate::valkey::{Valkey, binary, free_port};

/// Asks until the answer is there: servers find each other in their own time.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < until, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn info(connection: &mut Connection) -> String {
    connection.call(&[b"INFO", b"replication"]).unwrap().text().unwrap().to_owned()
}

fn through(sentinels: Vec<Host>) -> Endpoint {
    let place = Place::Sentinel { sentinels, master: "desk".into(), user: None, password: None };
    Endpoint { place, user: None, password: None, database: 0, tls: None }
}

#[test]
fn a_failover_is_followed() {
    let Some(mut master) = Valkey::start("") else { return };
    let Some(replica) = Valkey::start(&format!("replicaof 127.0.0.1 {}", master.port)) else { return };
    let mut to_master = master.connect();
    until("the replica", || info(&mut to_master).contains("state=online"));
    let watch = format!(
        "sentinel monitor desk 127.0.0.1 {} 1\nsentinel down-after-milliseconds desk 300\nsentinel failover-timeout desk 2000",
        master.port
    );
    let sentinel = Valkey::run(&binary().unwrap(), &watch, true);
    let host = |port: u16| Host { name: "127.0.0.1".into(), port };

    // The first sentinel of the list is not there: the next is asked, and remembered.
    let mut connector = Connector::new(through(vec![host(free_port()), host(sentinel.port)]), Options::new("node"));
    let mut connection = connector.connect().unwrap();
    assert_eq!(connection.place(), format!("redis://127.0.0.1:{}", master.port));
    let first_run = connection.server().run_id.clone();
    connection.call(&[b"SET", b"key", b"value"]).unwrap();
    assert_eq!(connection.call(&[b"WAIT", b"1", b"10000"]).unwrap(), Reply::Int(1));
    assert_eq!(connector.master().unwrap(), Some(host(master.port)));

    let any = Options { needs_master: false, ..Options::new("test") };
    let mut to_sentinel = Connection::connect(&sentinel.tcp(), &any).unwrap();
    assert_eq!(to_sentinel.server().role, Role::Sentinel);
    until("the sentinel's knowledge of the replica", || {
        let replicas = to_sentinel.call(&[b"SENTINEL", b"replicas", b"desk"]).unwrap();
        let fine = |found: Reply<'_>| {
            found.get("flags").and_then(Reply::text) == Some("slave")
                && found.get("master-link-status").and_then(Reply::text) == Some("ok")
        };
        replicas.items().unwrap().any(fine)
    });
    let refused = Connection::connect(&sentinel.tcp(), &Options::new("test")).unwrap_err();
    assert!(refused.to_string().contains("the server is a sentinel"), "{refused}");

    master.kill();
    let mut backoff = Backoff::new(BackoffLimits::default(), fastrand::Rng::with_seed(1));
    let begun = Instant::now();
    let mut connection = loop {
        match connector.connect() {
            Ok(connection) => break connection,
            Err(error) => {
                assert!(error.may_pass(), "{error}");
                assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
                std::thread::sleep(backoff.wait(begun.elapsed().as_nanos() as i64));
            }
        }
    };
    println!("a new master after {:.1} s and {} attempts", begun.elapsed().as_secs_f64(), backoff.failures());
    assert_eq!(connection.place(), format!("redis://127.0.0.1:{}", replica.port));
    assert_eq!(connection.server().role, Role::Master);
    assert_ne!(connection.server().run_id, first_run, "it is told as another server");
    assert_eq!(connection.call(&[b"GET", b"key"]).unwrap(), Reply::Bulk(b"value"));
}

/// A sentinel that names this server, whatever the others think.
fn stubborn(port: Option<u16>) -> Host {
    slow(port, 0)
}

/// The same, that takes its time.
fn slow(port: Option<u16>, wait_ms: u64) -> Host {
    let named = port.map_or("_\r\n".into(), |port| {
        let digits = port.to_string();
        format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{digits}\r\n", digits.len())
    });
    let port = crate::pretender::start(move |words| match words {
        "SENTINEL get-master-addr-by-name desk" => {
            std::thread::sleep(Duration::from_millis(wait_ms));
            named.clone()
        }
        _ => "%2\r\n+version\r\n+9.0.0\r\n+mode\r\n+sentinel\r\n".into(),
    });
    Host { name: "127.0.0.1".into(), port }
}

#[test]
fn a_sentinel_that_names_a_replica_is_not_believed() {
    let Some(master) = Valkey::start("") else { return };
    let Some(replica) = Valkey::start(&format!("replicaof 127.0.0.1 {}", master.port)) else { return };
    let behind = stubborn(Some(replica.port));
    let error = Connector::new(through(vec![behind.clone()]), Options::new("node")).connect().unwrap_err();
    assert!(matches!(error, RespError::NoMaster { .. }) && error.to_string().contains("is a replica"), "{error}");
    assert!(error.may_pass());
    // Not even by someone who would take a replica elsewhere.
    let any = Options { needs_master: false, ..Options::new("node") };
    assert!(Connector::new(through(vec![behind.clone()]), any).connect().is_err());
    // The next sentinel knows better.
    let mut connector = Connector::new(through(vec![behind, stubborn(Some(master.port))]), Options::new("node"));
    assert_eq!(connector.connect().unwrap().place(), format!("redis://127.0.0.1:{}", master.port));
}

#[test]
fn of_two_that_call_themselves_masters_the_one_that_most_sentinels_name_is_taken() {
    let (Some(old), Some(heir)) = (Valkey::start(""), Valkey::start("")) else { return };
    // The one that is wrong is heard first.
    let sentinels = || vec![stubborn(Some(old.port)), slow(Some(heir.port), 50), slow(Some(heir.port), 50)];
    for turn in 0..3 {
        let mut asked = sentinels();
        asked.rotate_left(turn);
        let mut connector = Connector::new(through(asked), Options::new("node"));
        assert_eq!(connector.connect().unwrap().place(), format!("redis://127.0.0.1:{}", heir.port));
        assert_eq!(connector.master().unwrap().map(|host| host.port), Some(heir.port));
    }
    // Where they do not agree a connection may be had, and nobody is told to leave his.
    let mut connector = Connector::new(through(sentinels()[..2].to_vec()), Options::new("node"));
    assert!(connector.connect().is_ok());
    let error = connector.master().unwrap_err().to_string();
    assert!(error.contains("1 name 127.0.0.1"), "{error}");
}

#[test]
fn a_master_that_no_sentinel_knows_is_named_in_the_error() {
    let error = Connector::new(through(vec![stubborn(None)]), Options::new("node")).connect().unwrap_err();
    assert!(matches!(&error, RespError::NoMaster { master, .. } if master == "desk"), "{error}");
}

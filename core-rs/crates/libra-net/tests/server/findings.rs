//! What a real server says about itself is understood.

use libra_net::resp::health::{Facts, Severity, inspect};
use libra_net::resp::{Connection, Options};

use crate::valkey::Valkey;

fn codes(connection: &mut Connection) -> Vec<(&'static str, Severity)> {
    inspect(connection).unwrap().into_iter().map(|finding| (finding.code, finding.severity)).collect()
}

#[test]
fn a_careless_server_is_told_of() {
    let careless =
        "maxmemory 100mb\nmaxmemory-policy allkeys-lru\nmaxmemory-clients 10%\nprotected-mode no\nio-threads 2";
    let Some(server) = Valkey::start(careless) else { return };
    let found = codes(&mut server.connect());
    for expected in [
        ("EVICTION", Severity::Serious),
        ("OPEN_TO_ALL", Severity::Serious),
        ("CLIENT_EVICTION", Severity::Warning),
        ("PERSISTENCE_NONE", Severity::Warning),
        ("PUBSUB_BUFFER", Severity::Warning),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    assert!(found.is_sorted_by(|earlier, later| earlier.1 >= later.1));
}

#[test]
fn a_careful_server_is_left_in_peace() {
    let careful = "appendonly yes\nclient-output-buffer-limit pubsub 256mb 128mb 60";
    let Some(server) = Valkey::start(careful) else { return };
    let mut connection = server.connect();
    let facts = Facts::gather(&mut connection).unwrap();
    assert!(facts.local && facts.open_to_all == Some(true) && facts.settings.is_some() && facts.info.is_some());
    assert_eq!(codes(&mut connection), []);
}

#[test]
fn a_user_without_rights_gets_a_hint() {
    let Some(server) = Valkey::start("user node on >pw ~* &* +@all -config -info -acl") else { return };
    let url = format!("redis://node:pw@127.0.0.1:{}", server.port);
    let mut connection = Connection::connect(&url.parse().unwrap(), &Options::new("test")).unwrap();
    assert_eq!(codes(&mut connection), [("SERVER_UNREADABLE", Severity::Warning)]);
}

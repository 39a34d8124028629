//! The oldest server that is supported, where one is: `redis-server` 7.0 on the path, what `LIBRA_REDIS_SERVER` names, or what
//! `.ci/redis.sh` has brought.

use std::path::{Path, PathBuf};

use libra_net::resp::health::inspect;
use libra_net::resp::{Connection, Endpoint, Library, Options, Reply};

use crate::encrypted::Certificates;
use crate::messages::{read_until, subscribe};
use crate::valkey::{Valkey, free_port};

fn start(configuration: &str) -> Option<Valkey> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut installed = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    let named = std::env::var_os("LIBRA_REDIS_SERVER").map(PathBuf::from);
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.build/redis/redis-server");
    let found =
        named.or_else(|| installed.find(|file| file.is_file())).or_else(|| Some(fetched).filter(|file| file.is_file()));
    let Some(binary) = found else {
        println!(
            "skipped: no redis-server on the path, LIBRA_REDIS_SERVER names none, and .ci/redis.sh has brought none"
        );
        return None;
    };
    Some(Valkey::run(&binary, configuration, false))
}

#[test]
fn redis_serves_as_valkey_does() {
    let Some(server) = start("") else { return };
    let code = "#!lua name=probe\n-- version: 1\nredis.register_function('probe', function() return 1 end)";
    let options = Options { library: Some(Library::new(code).unwrap()), ..Options::new("test") };
    let mut connection = Connection::connect(&server.tcp(), &options).unwrap();
    assert_eq!(connection.server().software, "redis");
    assert_eq!(connection.call(&[b"FCALL", b"probe", b"0"]).unwrap(), Reply::Int(1));
    subscribe(&mut connection, b"c");
    let mut other = server.connect();
    assert_eq!(other.call(&[b"PUBLISH", b"c", b"payload"]).unwrap(), Reply::Int(1));
    read_until(&mut connection, |reply| reply.message() == Some((b"c", b"payload")));
    let codes: Vec<_> = inspect(&mut other).unwrap().into_iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&"PERSISTENCE_NONE") && !codes.contains(&"SERVER_UNREADABLE"), "{codes:?}");
}

#[test]
fn its_own_tls_is_spoken() {
    let certificates = Certificates::new();
    let port = free_port();
    let file = |name: &str| certificates.scratch.join(name).display().to_string();
    let tls = format!(
        "tls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n",
        file("server.pem"),
        file("server.key"),
        file("ca.pem")
    );
    let Some(_server) = start(&tls) else { return };
    let endpoint = Endpoint { tls: Some(certificates.known()), ..Endpoint::tcp("127.0.0.1", port) };
    let mut connection = Connection::connect(&endpoint, &Options::new("test")).unwrap();
    let large = vec![b'y'; 1_000_000];
    assert_eq!(connection.call(&[b"ECHO", &large]).unwrap(), Reply::Bulk(&large));
    let stranger = Endpoint { tls: Some(certificates.trust()), ..endpoint };
    assert!(Connection::connect(&stranger, &Options::new("test")).is_err(), "it asks for our certificate");
}

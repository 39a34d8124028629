//! Connecting: addresses, users, wrong passwords, functions, servers that cannot serve.

use libra_net::resp::{Connection, Endpoint, Library, Options, Reply, RespError, Role, Secret};

use crate::valkey::Valkey;

fn refused(endpoint: &Endpoint) -> RespError {
    Connection::connect(endpoint, &Options::new("test")).expect_err("it should be refused")
}

#[test]
fn tcp_and_unix_sockets_lead_to_the_same_server() {
    let Some(server) = Valkey::start("") else { return };
    let mut tcp = Connection::connect(&server.tcp(), &Options::new("over-tcp")).unwrap();
    let mut unix = server.connect();
    assert_eq!(tcp.call(&[b"SET", b"key", b"value"]).unwrap(), Reply::Simple(b"OK"));
    assert_eq!(unix.call(&[b"GET", b"key"]).unwrap(), Reply::Bulk(b"value"));
    assert_eq!(tcp.call(&[b"CLIENT", b"GETNAME"]).unwrap(), Reply::Bulk(b"over-tcp"));
    let (one, other) = (tcp.server().clone(), unix.server().clone());
    assert_eq!(one.run_id, other.run_id);
    assert_eq!(one.run_id.map(|id| id.len()), Some(40));
    assert_eq!((one.software.as_str(), one.role, one.mode.as_str()), ("valkey", Role::Master, "standalone"));
    assert_ne!(one.client_id, other.client_id);
}

#[test]
fn a_database_is_selected() {
    let Some(server) = Valkey::start("") else { return };
    let endpoint = Endpoint { database: 3, ..server.tcp() };
    let mut third = Connection::connect(&endpoint, &Options::new("test")).unwrap();
    third.call(&[b"SET", b"key", b"3"]).unwrap();
    assert_eq!(server.connect().call(&[b"GET", b"key"]).unwrap(), Reply::Null);
    let error = refused(&Endpoint { database: 99, ..server.tcp() });
    assert!(error.to_string().contains("SELECT: ERR DB index is out of range"), "{error}");
    assert!(!error.may_pass());
}

#[test]
fn an_acl_user_gets_in_and_learns_what_it_may_not() {
    let Some(server) = Valkey::start("user trader on >p@ss:word ~libra:* &libra:* +@all -info -config") else { return };
    let url = format!("redis://trader:p%40ss%3Aword@127.0.0.1:{}/", server.port);
    let mut trader = Connection::connect(&url.parse().unwrap(), &Options::new("test")).unwrap();
    assert_eq!(trader.call(&[b"ACL", b"WHOAMI"]).unwrap(), Reply::Bulk(b"trader"));
    assert_eq!(trader.server().run_id, None, "it may not ask for INFO");
    let error = trader.call(&[b"SET", b"other", b"1"]).unwrap_err();
    assert!(matches!(&error, RespError::Refused { message, .. } if message.starts_with("NOPERM")), "{error}");
    assert!(!error.may_pass());
    assert!(trader.call(&[b"SET", b"libra:x", b"1"]).is_ok(), "a refusal does not end the connection");
}

#[test]
fn a_wrong_password_is_refused_and_not_repeated() {
    let Some(server) = Valkey::start("requirepass right-horse") else { return };
    let wrong = Endpoint { password: Some(Secret::Given("wrong-horse".into())), ..server.tcp() };
    let error = refused(&wrong);
    assert!(error.to_string().contains("HELLO: WRONGPASS"), "{error}");
    assert!(!format!("{error} {error:?}").contains("horse"), "{error:?}");
    assert!(!error.may_pass());
    assert!(refused(&server.tcp()).to_string().contains("NOAUTH"));
    let file = server.scratch.join("password");
    std::fs::write(&file, "right-horse\n").unwrap();
    let right = Endpoint { password: Some(Secret::File(file)), ..server.tcp() };
    assert!(Connection::connect(&right, &Options::new("test")).is_ok());
}

fn pretends(answer: impl Fn(&str) -> String + Send + 'static) -> Endpoint {
    let port = crate::pretender::start(answer);
    Endpoint { password: Some(Secret::Given("sesame".into())), ..Endpoint::tcp("127.0.0.1", port) }
}

#[test]
fn a_connection_that_nobody_needs_any_more_asks_nothing_further() {
    let options = Options::new("test");
    let (ended, (tell, asked)) = (options.ended.clone(), std::sync::mpsc::channel());
    // The node stops while it says hello.
    let stopping = pretends(move |words| {
        tell.send(words.to_owned()).unwrap();
        ended.store(true, std::sync::atomic::Ordering::Release);
        "%3\r\n+server\r\n+valkey\r\n+version\r\n+9.0.0\r\n+role\r\n+master\r\n".into()
    });
    let error = Connection::connect(&stopping, &options).unwrap_err();
    assert!(error.to_string().contains("it is not needed any more") && error.may_pass(), "{error}");
    assert_eq!(asked.recv().unwrap().split(' ').next(), Some("HELLO"));
    assert!(asked.try_recv().is_err(), "and nothing behind it");
}

#[test]
fn an_old_server_is_refused_with_its_version() {
    let old = pretends(|_| "%3\r\n+server\r\n+redis\r\n+version\r\n+6.2.14\r\n+role\r\n+master\r\n".into());
    let error = refused(&old);
    assert!(error.to_string().contains("redis 6.2.14 is too old"), "{error}");
    let older = pretends(|words| format!("-ERR unknown command `HELLO`, with args beginning with: {words}\r\n"));
    let error = refused(&older);
    assert!(matches!(error, RespError::TooOld { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("sesame"));
}

#[test]
fn a_server_that_repeats_the_password_is_not_quoted() {
    let error = refused(&pretends(|words| format!("-ERR I do not like {words}\r\n")));
    assert!(error.to_string().contains("I do not like HELLO 3 AUTH default *** SETNAME"), "{error}");
    assert!(!format!("{error} {error:?}").contains("sesame"));
}

#[test]
fn a_server_that_loads_its_data_is_not_ready() {
    let hello = "%3\r\n+server\r\n+valkey\r\n+version\r\n+9.0.0\r\n+role\r\n+master\r\n";
    let error = refused(&pretends(move |words| match words.starts_with("HELLO") {
        true => hello.into(),
        false => "$19\r\nrun_id:a\r\nloading:1\r\n".into(),
    }));
    assert!(matches!(error, RespError::Loading { .. }), "{error}");
    assert!(error.may_pass());
}

#[test]
fn a_server_that_calls_itself_a_replica_is_refused() {
    let hello = "%3\r\n+server\r\n+valkey\r\n+version\r\n+9.0.0\r\n+role\r\n+replica\r\n";
    let error = refused(&pretends(move |words| match words.starts_with("HELLO") {
        true => hello.into(),
        false => "$8\r\nrun_id:a\r\n".into(),
    }));
    assert!(matches!(error, RespError::NotMaster { role: "replica", .. }), "{error}");
}

#[test]
fn a_full_server_is_worth_another_attempt() {
    let Some(server) = Valkey::start("") else { return };
    let mut only = server.connect();
    only.call(&[b"CONFIG", b"SET", b"maxclients", b"1"]).unwrap();
    let error = refused(&server.tcp());
    assert!(error.may_pass(), "{error}");
    assert!(only.call(&[b"PING"]).is_ok());
}

#[test]
fn something_else_on_the_port_is_recognised() {
    let error = refused(&pretends(|_| "HTTP/1.1 400 Bad Request\r\n\r\n".into()));
    assert!(error.to_string().contains("is this a Redis or Valkey server"), "{error}");
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let port = crate::valkey::free_port();
    let error = refused(&Endpoint::tcp("127.0.0.1", port));
    assert!(error.to_string().starts_with(&format!("redis://127.0.0.1:{port}: cannot connect")), "{error}");
    assert!(error.may_pass());
    assert!(
        refused(&Endpoint::unix("/nonexistent/s")).to_string().starts_with("unix:///nonexistent/s: cannot connect")
    );
}

#[test]
fn a_replica_is_refused_as_master() {
    let Some(master) = Valkey::start("") else { return };
    let Some(replica) = Valkey::start(&format!("replicaof 127.0.0.1 {}", master.port)) else { return };
    let error = refused(&replica.tcp());
    assert!(error.to_string().contains("is a replica, and a master is needed"), "{error}");
    let any = Options { needs_master: false, ..Options::new("test") };
    assert_eq!(Connection::connect(&replica.tcp(), &any).unwrap().server().role, Role::Replica);
}

#[test]
fn functions_are_loaded_once_and_replaced_by_newer_ones_only() {
    let Some(server) = Valkey::start("") else { return };
    let code = |version: u32| {
        format!(
            "#!lua name=probe\n-- version: {version}\nserver.register_function('probe', function() return {version} end)"
        )
    };
    let with = |version: u32| {
        let library = Some(Library::new(&code(version)).unwrap());
        let mut connection = Connection::connect(&server.tcp(), &Options { library, ..Options::new("test") }).unwrap();
        connection.call(&[b"FCALL", b"probe", b"0"]).unwrap().int()
    };
    assert_eq!(with(2), Some(2));
    assert_eq!(with(1), Some(2), "an older one does not replace it");
    assert_eq!(with(3), Some(3));
    let other = Library::new(&(code(3) + "\n-- other")).unwrap();
    let error =
        Connection::connect(&server.tcp(), &Options { library: Some(other), ..Options::new("test") }).unwrap_err();
    assert!(matches!(error, RespError::Library { .. }) && !error.may_pass(), "{error}");
}

//! Each finding is there when it should be and only then.

use std::collections::BTreeMap;

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// A server with nothing to say about.
fn sound() -> Facts {
    Facts {
        settings: Some(map(&[
            ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 268435456 134217728 60"),
            ("maxmemory", "1000000000"),
            ("maxmemory-policy", "noeviction"),
            ("maxmemory-clients", "0"),
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
            ("save", ""),
            ("io-threads", "1"),
            ("protected-mode", "yes"),
            ("min-replicas-to-write", "0"),
        ])),
        info: Some(map(&[
            ("used_memory", "1000000"),
            ("maxmemory", "1000000000"),
            ("rdb_last_bgsave_status", "ok"),
            ("aof_last_write_status", "ok"),
            ("connected_slaves", "0"),
        ])),
        open_to_all: Some(true),
        local: true,
        encrypted: false,
        cores: Some(2),
        mode: "standalone".into(),
    }
}

fn with(settings: &[(&str, &str)], info: &[(&str, &str)]) -> Vec<(&'static str, Severity)> {
    let mut facts = sound();
    facts.settings.as_mut().unwrap().extend(map(settings));
    facts.info.as_mut().unwrap().extend(map(info));
    said(&facts)
}

fn said(facts: &Facts) -> Vec<(&'static str, Severity)> {
    judge(facts).into_iter().map(|finding| (finding.code, finding.severity)).collect()
}

#[test]
fn a_sound_server_has_no_findings() {
    assert_eq!(said(&sound()), []);
}

#[test]
fn each_setting_has_its_finding() {
    use Severity::{Note, Serious, Warning};
    let buffer = |limits: &str| with(&[("client-output-buffer-limit", &format!("normal 0 0 0 pubsub {limits}"))], &[]);
    assert_eq!(buffer("33554432 8388608 60"), [("PUBSUB_BUFFER", Warning)]);
    assert_eq!(buffer("1048576 0 0"), [("PUBSUB_BUFFER", Warning)]);
    assert_eq!(buffer("0 0 0"), [("PUBSUB_BUFFER", Warning)]);
    assert_eq!(with(&[("maxmemory-policy", "allkeys-lru")], &[]), [("EVICTION", Serious)]);
    assert_eq!(with(&[("maxmemory-policy", "allkeys-lfu"), ("maxmemory", "0")], &[]), [("EVICTION", Warning)]);
    assert_eq!(with(&[("maxmemory-policy", "volatile-lru")], &[]), []);
    assert_eq!(with(&[], &[("used_memory", "800000000")]), [("MEMORY_NEARLY_FULL", Serious)]);
    assert_eq!(with(&[("maxmemory-clients", "5%")], &[]), [("CLIENT_EVICTION", Warning)]);
    assert_eq!(with(&[], &[("rdb_last_bgsave_status", "err")]), [("SAVE_FAILED", Serious)]);
    assert_eq!(with(&[], &[("aof_last_write_status", "err")]), [("SAVE_FAILED", Serious)]);
    assert_eq!(with(&[("appendonly", "no")], &[]), [("PERSISTENCE_NONE", Warning)]);
    assert_eq!(with(&[("appendonly", "no"), ("save", "3600 1")], &[]), [("PERSISTENCE_SNAPSHOTS", Note)]);
    assert_eq!(with(&[("appendfsync", "no")], &[]), [("PERSISTENCE_UNSYNCED", Note)]);
    assert_eq!(with(&[("io-threads", "2")], &[]), [("IO_THREADS", Warning)]);
    assert_eq!(with(&[], &[("connected_slaves", "1")]), [("LONELY_MASTER", Warning)]);
    assert_eq!(with(&[("min-replicas-to-write", "1")], &[("connected_slaves", "1")]), []);
    assert_eq!(with(&[("protected-mode", "no")], &[]), [("OPEN_TO_ALL", Serious)]);
    assert_eq!(said(&Facts { local: false, ..sound() }), [("UNENCRYPTED", Note)]);
    assert_eq!(said(&Facts { local: false, encrypted: true, cores: None, ..sound() }), []);
    assert_eq!(said(&Facts { mode: "cluster".into(), ..sound() }), [("SERVER_CLUSTER", Serious)]);
}

#[test]
fn what_may_not_be_read_is_said_and_nothing_is_guessed() {
    let blind = Facts { settings: None, info: None, open_to_all: None, ..sound() };
    assert_eq!(said(&blind), [("SERVER_UNREADABLE", Severity::Warning)]);
    let managed = Facts { settings: None, ..sound() };
    let changes: Vec<String> = judge(&managed).into_iter().map(|finding| finding.change).collect();
    let [change] = &changes[..] else { panic!("{changes:?}") };
    let itself = "where that cannot be had, see to it that the server has";
    assert!(change.starts_with(&format!("ACL SETUSER <user> +config|get; {itself}")), "{change}");
    for setting in ["client-output-buffer-limit pubsub 256mb", "maxmemory-policy noeviction", "appendonly yes"] {
        assert!(change.contains(setting), "{change}");
    }
    let mute = Facts { info: None, ..sound() };
    let changes: Vec<String> = judge(&mute).into_iter().map(|finding| finding.change).collect();
    assert_eq!(changes, ["ACL SETUSER <user> +info"]);
}

#[test]
fn the_worst_comes_first() {
    let found = with(&[("appendonly", "no"), ("maxmemory-policy", "allkeys-lru"), ("appendfsync", "no")], &[]);
    assert!(found.is_sorted_by(|earlier, later| earlier.1 >= later.1), "{found:?}");
    assert_eq!(found.len(), 2);
}

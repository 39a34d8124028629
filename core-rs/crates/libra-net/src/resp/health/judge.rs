//! What is wrong with a server, by what is known of it.

use super::{Facts, Finding, Severity};

const MIB: u64 = 1 << 20;

/// Below this a subscriber is cut off sooner than by the server's own default.
const SMALL_BUFFER: u64 = 32 * MIB;

/// What a second of a full market's data takes (1 M events of 80 bytes), rounded up.
const ROOMY_BUFFER: u64 = 128 * MIB;

/// On fewer cores the server's threads take time from each other and from the node.
const CORES_FOR_IO_THREADS: usize = 4;

/// What a server should have that may not be asked for it.
const WANTED: &str = "client-output-buffer-limit pubsub 256mb 128mb 60, maxmemory-policy noeviction and appendonly yes";

/// The findings, the worst first.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        unreadable(facts),
        cluster(facts),
        pubsub_buffer(facts),
        eviction(facts),
        memory(facts),
        client_eviction(facts),
        failed_saves(facts),
        persistence(facts),
        io_threads(facts),
        replicas(facts),
        access(facts),
        encryption(facts),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn finding(code: &'static str, severity: Severity, sentence: impl Into<String>, change: &str) -> Option<Finding> {
    Some(Finding { code, severity, sentence: sentence.into(), change: change.into() })
}

fn unreadable(facts: &Facts) -> Option<Finding> {
    let (what, right) = match (&facts.settings, &facts.info) {
        (Some(_), Some(_)) => return None,
        (None, Some(_)) => ("settings", "+config|get"),
        (Some(_), None) => ("state", "+info"),
        (None, None) => ("settings and state", "+config|get +info"),
    };
    let sentence =
        format!("the server's {what} may not be read by this user, so nobody knows whether events are safe there");
    let change = match facts.settings {
        Some(_) => format!("ACL SETUSER <user> {right}"),
        // A managed server gives nobody the right to ask.
        None => format!("ACL SETUSER <user> {right}; where that cannot be had, see to it that the server has {WANTED}"),
    };
    finding("SERVER_UNREADABLE", Severity::Warning, sentence, &change)
}

fn cluster(facts: &Facts) -> Option<Finding> {
    let sentence =
        "the server is part of a Redis Cluster, which is not supported: scripts over several keys are refused";
    match facts.mode == "cluster" {
        true => finding("SERVER_CLUSTER", Severity::Serious, sentence, "cluster-enabled no"),
        false => None,
    }
}

/// The hard limit of pubsub clients.
fn pubsub_limit(facts: &Facts) -> Option<u64> {
    let mut words = facts.setting("client-output-buffer-limit")?.split_whitespace();
    words.find(|&word| word == "pubsub")?;
    words.next()?.parse().ok()
}

fn pubsub_buffer(facts: &Facts) -> Option<Finding> {
    const CODE: &str = "PUBSUB_BUFFER";
    const CHANGE: &str = "CONFIG SET client-output-buffer-limit \"pubsub 256mb 128mb 60\"";
    let hard = pubsub_limit(facts)?;
    match hard {
        0 => finding(
            CODE,
            Severity::Warning,
            "a subscriber that stands still is never cut off, so it can fill the server's memory",
            CHANGE,
        ),
        _ if hard < SMALL_BUFFER => finding(
            CODE,
            Severity::Warning,
            format!("a subscriber is cut off with {} MiB unread: at full load that is a short pause", hard / MIB),
            CHANGE,
        ),
        _ if hard < ROOMY_BUFFER => finding(
            CODE,
            Severity::Warning,
            format!("a subscriber is cut off with {} MiB unread: less than a second of full market data", hard / MIB),
            CHANGE,
        ),
        _ => None,
    }
}

fn eviction(facts: &Facts) -> Option<Finding> {
    const CHANGE: &str = "CONFIG SET maxmemory-policy noeviction";
    let policy = facts.setting("maxmemory-policy").or_else(|| facts.field("maxmemory_policy"))?;
    let bound = facts.number("maxmemory").or_else(|| facts.field("maxmemory")?.parse().ok()).unwrap_or(0) > 0;
    match (policy.starts_with("allkeys"), bound) {
        (false, _) => None,
        (true, true) => {
            let sentence =
                format!("the server throws keys away when memory is short ({policy}): durable events among them");
            finding("EVICTION", Severity::Serious, sentence, CHANGE)
        }
        (true, false) => {
            let sentence = format!("the server would throw keys away ({policy}) as soon as it is given a maxmemory");
            finding("EVICTION", Severity::Warning, sentence, CHANGE)
        }
    }
}

fn memory(facts: &Facts) -> Option<Finding> {
    let limit: u64 = facts.field("maxmemory")?.parse().ok().filter(|&limit| limit > 0)?;
    let used: u64 = facts.field("used_memory")?.parse().ok()?;
    let percent = u128::from(used) * 100 / u128::from(limit);
    match percent >= 80 {
        true => finding(
            "MEMORY_NEARLY_FULL",
            Severity::Serious,
            format!("{percent} % of maxmemory is used: beyond it the server refuses durable events"),
            "CONFIG SET maxmemory <more>",
        ),
        false => None,
    }
}

fn client_eviction(facts: &Facts) -> Option<Finding> {
    match facts.setting("maxmemory-clients")? {
        "0" => None,
        limit => finding(
            "CLIENT_EVICTION",
            Severity::Warning,
            format!(
                "maxmemory-clients is {limit}: a slow subscriber makes the server cut off others, publishers first"
            ),
            "CONFIG SET maxmemory-clients 0",
        ),
    }
}

fn failed_saves(facts: &Facts) -> Option<Finding> {
    let failed = |name: &str| facts.field(name).is_some_and(|status| status != "ok");
    let snapshot = failed("rdb_last_bgsave_status");
    if !snapshot && !failed("aof_last_write_status") && !failed("aof_last_bgrewrite_status") {
        return None;
    }
    let what = if snapshot { "save its data" } else { "write its append-only file" };
    finding(
        "SAVE_FAILED",
        Severity::Serious,
        format!("the server could not {what}: it refuses writes, or loses them with its next restart"),
        "see the server's log: disk space, rights of its directory",
    )
}

fn persistence(facts: &Facts) -> Option<Finding> {
    const CHANGE: &str = "CONFIG SET appendonly yes, and appendfsync everysec in its file";
    let appends = facts.setting("appendonly")? == "yes";
    let snapshots = facts.setting("save").is_some_and(|points| !points.is_empty());
    match (appends, snapshots, facts.setting("appendfsync")) {
        (true, _, Some("no")) => finding(
            "PERSISTENCE_UNSYNCED",
            Severity::Note,
            "the append-only file is written when the operating system likes: a crash of the host costs up to 30 s",
            "CONFIG SET appendfsync everysec",
        ),
        (true, ..) => None,
        (false, true, _) => finding(
            "PERSISTENCE_SNAPSHOTS",
            Severity::Note,
            "a restarted server has the data of its last snapshot; living publishers send again what was not acknowledged",
            CHANGE,
        ),
        (false, false, _) => finding(
            "PERSISTENCE_NONE",
            Severity::Warning,
            "a restarted server is empty: living publishers send again what was not acknowledged, what dead ones left is lost",
            CHANGE,
        ),
    }
}

fn io_threads(facts: &Facts) -> Option<Finding> {
    let threads = facts.number("io-threads")?;
    let cores = facts.cores?;
    match threads > 1 && cores < CORES_FOR_IO_THREADS {
        true => finding(
            "IO_THREADS",
            Severity::Warning,
            format!("{threads} io-threads on {cores} cores make everything slower"),
            "io-threads 1 in its file",
        ),
        false => None,
    }
}

fn replicas(facts: &Facts) -> Option<Finding> {
    let count: u64 = facts.field("connected_slaves")?.parse().ok()?;
    match count > 0 && facts.number("min-replicas-to-write") == Some(0) {
        true => finding(
            "LONELY_MASTER",
            Severity::Warning,
            "a master that is cut off from its replicas goes on taking events that a failover then loses",
            "CONFIG SET min-replicas-to-write 1",
        ),
        false => None,
    }
}

fn access(facts: &Facts) -> Option<Finding> {
    let exposed = facts.open_to_all? && facts.setting("protected-mode").map_or(!facts.local, |mode| mode == "no");
    match exposed {
        true => finding(
            "OPEN_TO_ALL",
            Severity::Serious,
            "whoever reaches the server may send orders: the default user has no password and protected-mode is off",
            "ACL SETUSER default off, and a user with a password for each node",
        ),
        false => None,
    }
}

fn encryption(facts: &Facts) -> Option<Finding> {
    match facts.local || facts.encrypted {
        true => None,
        false => finding(
            "UNENCRYPTED",
            Severity::Note,
            "events and the password cross the network in the clear",
            "tls-port in the server's file, rediss:// in bridge.url",
        ),
    }
}

//! A disk that takes a part of a record and no more. The limit on file sizes belongs to the whole process, so this test
//! is alone in its own.

use libra_kernel::Name;
use libra_trading::gate::{Gate, GateConfig, LogConfig, SyncPolicy};

fn limit_files_to(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the pointer is to a value that lives through the call; the signal's default action is replaced by none,
    // so that a write behind the limit is short instead of deadly.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

#[test]
fn half_a_record_is_taken_back() {
    let path = std::env::temp_dir().join(format!("libra-full-disk-{}.gate", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let log = LogConfig::File { path: path.clone(), sync: SyncPolicy::None };
    let config = || GateConfig { log: log.clone(), ..GateConfig::new(Name::intern("full-disk")) };
    let (mut gate, _) = Gate::open(config(), 1).unwrap();
    let length = || std::fs::metadata(&path).unwrap().len();
    let before = length();

    limit_files_to(before + 10);
    let error = gate.kill(2, "a reason that is longer than what is left").1.unwrap_err().to_string();
    assert!(error.contains("only a part of a record was written"), "{error}");
    assert!(gate.is_killed(), "set all the same");
    assert_eq!(length(), before, "the part that was written is gone");

    // There is room again: what was latched is taken back by hand, and the log is whole.
    limit_files_to(libc::RLIM_INFINITY);
    gate.resume(3).unwrap();
    gate.kill(4, "for good").1.unwrap();
    drop(gate);
    let (gate, recovered) = Gate::open(config(), 5).unwrap();
    assert_eq!(recovered.torn, None);
    assert!(gate.is_killed());
    drop(gate);
    std::fs::remove_file(&path).unwrap();
}

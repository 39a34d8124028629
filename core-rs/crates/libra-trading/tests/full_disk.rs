//! A disk that takes a part of a record and no more. The limit on file sizes belongs to the whole process, and holds for what the
//! harness prints into a file, too: so this is one test, alone in its process.

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
fn what_the_disk_took_a_part_of_never_was() {
    a_resume_that_failed_is_none_for_the_next_process_either();
    half_a_record_is_taken_back();
}

/// A resume that the log takes some part of is one for the next process exactly where it was told to be one.
fn a_resume_that_failed_is_none_for_the_next_process_either() {
    let path = std::env::temp_dir().join(format!("libra-full-disk-resume-{}.gate", std::process::id()));
    let mut outcomes = [0, 0];
    for room in 0..200 {
        let _ = std::fs::remove_file(&path);
        let log = LogConfig::File { path: path.clone(), sync: SyncPolicy::None };
        let opening = vec![(Name::intern("USDT"), 1_000_000_000_000)];
        let config =
            || GateConfig { log: log.clone(), opening: opening.clone(), ..GateConfig::new(Name::intern("full-disk")) };
        let (mut gate, _) = Gate::open(config(), 1).unwrap();
        gate.kill(2, "the test").1.unwrap();
        limit_files_to(std::fs::metadata(&path).unwrap().len() + room);
        let resumed = gate.resume(3).is_ok();
        limit_files_to(libc::RLIM_INFINITY);
        assert_eq!(gate.is_killed(), !resumed, "with room for {room} bytes");
        drop(gate);
        let (gate, _) = Gate::open(config(), 4).unwrap();
        assert_eq!(gate.is_killed(), !resumed, "with room for {room} bytes");
        outcomes[usize::from(resumed)] += 1;
    }
    std::fs::remove_file(&path).unwrap();
    assert!(outcomes.iter().all(|count| *count > 20), "{outcomes:?}");
}

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

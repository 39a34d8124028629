//! Tests of the guard: real signals, to this process.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;

/// A process has one guard at a time.
static ONE: Mutex<()> = Mutex::new(());

#[test]
fn a_disk_that_does_not_flush_is_told() {
    let _one = lock(&ONE);
    let limits = Limits::default();
    let guard = Guard::install(Arc::new(Waker::new().unwrap()), 1_000_000_000, true, limits, None).unwrap();
    assert!(guard.flush_logs(), "there is none");
    let kept = std::env::temp_dir().join(format!("flushed-{}", std::process::id()));
    guard.watch_log(std::fs::File::create(&kept).unwrap().into());
    std::fs::remove_file(kept).unwrap();
    assert!(guard.flush_logs());
    // A pipe can't be flushed.
    guard.watch_log(std::io::pipe().unwrap().1.into());
    assert!(!guard.flush_logs());
}

#[test]
fn who_catches_up_knows_of_every_signal_that_came_before() {
    let _one = lock(&ONE);
    let waker = Arc::new(Waker::new().unwrap());
    let guard = Guard::install(waker, 1_000_000_000, true, Limits::default(), None).unwrap();
    let alarm = Arc::new(Alarm::new(None));
    guard.watch_alarm(alarm.clone());
    for n in 1..=200 {
        // SAFETY: the guard has taken the signal over; this thread handles it before the call returns.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert!(guard.catch_up());
        assert_eq!(alarm.count(), n);
    }
}

#[test]
fn a_kill_switch_before_an_account_is_opened_raises_its_alarm_and_that_of_the_next_with_their_markers() {
    let _one = lock(&ONE);
    let folder = std::env::temp_dir().join(format!("libra-guard-early-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let alarms = ["one", "two"].map(|name| Arc::new(Alarm::new(Some(&folder.join(name)))));
    let guard = Guard::install(Arc::new(Waker::new().unwrap()), 1_000_000_000, true, Limits::default(), None).unwrap();
    // SAFETY: the guard has taken the signal over; this thread handles it before the call returns.
    unsafe { libc::raise(libc::SIGUSR1) };
    assert!(guard.catch_up());
    for alarm in &alarms {
        guard.watch_alarm(alarm.clone());
        assert!(alarm.is_raised() && alarm.is_marked().unwrap());
    }
    // The next one without such a signal knows nothing of it.
    drop(guard);
    let guard = Guard::install(Arc::new(Waker::new().unwrap()), 1_000_000_000, true, Limits::default(), None).unwrap();
    let alarm = Arc::new(Alarm::new(None));
    guard.watch_alarm(alarm.clone());
    assert!(!alarm.is_raised());
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A guard, and the accounts `one` and `two` in a folder of their own.
fn guard_of_two(name: &str) -> (Guard, std::path::PathBuf, [Arc<Alarm>; 2]) {
    let folder = std::env::temp_dir().join(format!("libra-guard-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let waker = Arc::new(Waker::new().unwrap());
    let guard = Guard::install(waker, 1_000_000_000, true, Limits::default(), None).unwrap();
    name_accounts(&["one", "two"].map(|name| (name.to_owned(), Some(folder.join(name)))));
    let alarms = ["one", "two"].map(|name| Arc::new(Alarm::new(Some(&folder.join(name)))));
    (guard, folder, alarms)
}

#[test]
fn what_the_loop_did_not_answer_is_the_next_processs_and_what_comes_behind_the_guard_too() {
    let _one = lock(&ONE);
    // An account that was answered, and one that was never opened.
    let (guard, folder, alarms) = guard_of_two("left");
    let is_left = || ["one", "two"].map(|name| folder.join(format!("{name}.killed")).exists());
    guard.watch_alarm(alarms[0].clone());
    // SAFETY: the guard has taken the signal over; this thread handles it before the call returns.
    unsafe { libc::raise(libc::SIGUSR1) };
    assert!(guard.catch_up());
    alarms[0].settle(alarms[0].count()).unwrap();
    drop(guard);
    assert_eq!(is_left(), [false, true]);
    std::fs::remove_file(folder.join("two.killed")).unwrap();
    // SAFETY: the handler is still ours.
    unsafe { libc::raise(libc::SIGUSR1) };
    assert_eq!(is_left(), [true, true]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn signals_that_a_guard_has_not_read_when_it_ends_are_not_lost() {
    let _one = lock(&ONE);
    for behind in 0..200 {
        let (guard, folder, alarms) = guard_of_two("unread");
        alarms.iter().for_each(|alarm| guard.watch_alarm(alarm.clone()));
        // SAFETY: asks for this thread's handle, which outlives the other one.
        let here = unsafe { libc::pthread_self() } as usize;
        let pulls = std::thread::spawn(move || {
            (0..behind * 20).for_each(|_| std::hint::spin_loop());
            // SAFETY: the thread lives, and handles the signal wherever it is.
            unsafe { libc::pthread_kill(here as libc::pthread_t, libc::SIGUSR1) };
        });
        drop(guard);
        pulls.join().unwrap();
        // SAFETY: as above; a signal that another thread has sent has come by now.
        unsafe { libc::sched_yield() };
        let left = ["one", "two"].map(|name| folder.join(format!("{name}.killed")).exists());
        assert_eq!(left, [true, true], "{behind}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_disk_that_hangs_holds_up_neither_the_guard_nor_who_answers() {
    let _one = lock(&ONE);
    let (guard, folder, alarms) = guard_of_two("hangs");
    alarms.iter().for_each(|alarm| guard.watch_alarm(alarm.clone()));
    let _hanging = crate::alarm::disk::tests::HANGING_DISK.write().unwrap();
    for _ in 0..3 {
        // SAFETY: the guard has taken the signal over; this thread handles it before the call returns.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert!(guard.catch_up());
        for alarm in &alarms {
            assert!(alarm.is_marked().unwrap());
            alarm.settle(alarm.count()).unwrap();
            assert!(!alarm.is_marked().unwrap());
        }
    }
    // What is answered is nobody's to wait for at the end.
    let begun = std::time::Instant::now();
    drop(guard);
    assert!(begun.elapsed() < Duration::from_secs(4));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// How often whoever had the signal before has heard it.
static PASSED_ON: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

extern "C" fn hears(_signal: libc::c_int) {
    PASSED_ON.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_disk_that_hangs_holds_up_no_signal_that_is_passed_on_and_the_marker_is_there() {
    let _one = lock(&ONE);
    let (guard, folder, _) = guard_of_two("passed-on-hangs");
    drop(guard);
    let hanging = crate::alarm::disk::tests::HANGING_DISK.write().unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    let pulls = std::thread::spawn(move || {
        // SAFETY: a handler that touches an atomic, then the one that passes the signal on to it; this thread handles
        // it before the call returns.
        unsafe {
            libc::signal(libc::SIGUSR1, hears as extern "C" fn(libc::c_int) as libc::sighandler_t);
            take_kill_switch(Heard::PassOn, &[]).unwrap();
            libc::raise(libc::SIGUSR1);
        }
        let _ = done.send(());
    });
    let came = is_done.recv_timeout(Duration::from_secs(20));
    let left = ["one", "two"].map(|name| folder.join(format!("{name}.killed")).exists());
    drop(hanging);
    pulls.join().unwrap();
    // SAFETY: the system's own effect; who takes it next finds nobody before.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    assert_eq!((came, left, PASSED_ON.load(Ordering::SeqCst)), (Ok(()), [true, true], 1));
    tell_latches();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_guard_that_ends_waits_for_handlers_that_are_under_way() {
    let _one = lock(&ONE);
    let (guard, folder, _alarms) = guard_of_two("under-way");
    let handler = signals::UnderWay::begin(&signals::UNDER_WAY);
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = std::thread::spawn({
        let is_over = is_over.clone();
        move || {
            // Nobody may come to the pipe's end before this one has written.
            std::thread::sleep(Duration::from_millis(50));
            is_over.store(true, Ordering::SeqCst);
            drop(handler);
        }
    });
    drop(guard);
    assert!(is_over.load(Ordering::SeqCst));
    ends.join().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn signals_that_somebody_takes_are_taken_back() {
    let _one = lock(&ONE);
    let limits = Limits { block_ns: 2_000_000, ..Limits::default() };
    let guard = Guard::install(Arc::new(Waker::new().unwrap()), 1_000_000_000, true, limits, None).unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGHUP] {
        // SAFETY: ignores a signal, as a strategy may.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let deadline = monotonic_ns() + 20_000_000_000;
    while !signals::stand() && monotonic_ns() < deadline {
        std::thread::yield_now();
    }
    assert!(signals::stand());
    drop(guard);
    assert!(!signals::stand(), "and given back in the end, for good");
}

#[test]
fn a_closed_terminal_asks_for_a_stop_unless_that_is_ignored() {
    let _one = lock(&ONE);
    for (before, asked) in [(libc::SIG_DFL, Some(libc::SIGHUP)), (libc::SIG_IGN, None)] {
        // SAFETY: what the shell hands on: the system's own effect, or `nohup`.
        unsafe { libc::signal(libc::SIGHUP, before) };
        let waker = Arc::new(Waker::new().unwrap());
        let guard = Guard::install(waker, 20_000_000_000, true, Limits::default(), None).unwrap();
        assert!(signals::stand(), "nothing is to be taken back");
        // As its thread does with what it finds taken.
        signals::take_back();
        // SAFETY: taken by the guard, or ignored; this thread handles it before the call returns.
        unsafe { libc::raise(libc::SIGHUP) };
        assert!(guard.catch_up());
        assert_eq!(guard.stop_signal(), asked);
        drop(guard);
        // SAFETY: asks, and leaves it to the system for the tests that follow.
        let after = unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
        assert_eq!(after == libc::SIG_IGN, asked.is_none(), "as it was, or ours for a second delivery");
    }
}

/// A child of this process: by `fork`, or by the bare system call, of which no handler of ours hears.
fn child(by_fork: bool, signal: libc::c_int) -> libc::c_int {
    // SAFETY: the child makes system calls and ends without anyone's exit code.
    unsafe {
        let zero: libc::c_ulong = 0;
        let child = match by_fork {
            true => libc::fork(),
            false => libc::syscall(libc::SYS_clone, libc::SIGCHLD as libc::c_ulong, zero, zero, zero, zero) as i32,
        };
        if child == 0 {
            libc::alarm(20);
            if by_fork && signals::any_stands() {
                libc::_exit(8);
            }
            libc::kill(libc::syscall(libc::SYS_getpid) as i32, signal);
            libc::_exit(7);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        status
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_to_a_child_ends_the_child_and_is_nothing_to_the_parent() {
    let _one = lock(&ONE);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGHUP] {
        // SAFETY: the system's own effect; a guard before may have left SIGUSR1 ignored.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let waker = Arc::new(Waker::new().unwrap());
    let guard = Guard::install(waker, 1_000_000_000, true, Limits::default(), None).unwrap();
    let alarm = Arc::new(Alarm::new(None));
    guard.watch_alarm(alarm.clone());
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGHUP] {
        for by_fork in [true, false] {
            let status = child(by_fork, signal);
            let ended_by = if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 };
            assert_eq!(ended_by, signal, "by fork: {by_fork}");
        }
    }
    assert!(guard.catch_up());
    assert_eq!((guard.stop_signal(), guard.kill_signals(), alarm.count()), (None, 0, 0));
    assert!(signals::stand());
}

#[test]
fn a_childs_copy_of_a_guard_can_be_dropped() {
    let _one = lock(&ONE);
    let waker = Arc::new(Waker::new().unwrap());
    let guard = Guard::install(waker, 1_000_000_000, true, Limits::default(), None).unwrap();
    // SAFETY: the child drops what it has, frees memory (which libc lets it), and ends without anyone's exit code.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(20);
            drop(guard);
            libc::_exit(7);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 7));
    }
    assert!(guard.catch_up(), "the parent's thread goes on");
}

#[test]
fn sigusr1_raises_every_alarm_wakes_the_loop_and_ends_nothing() {
    let _one = lock(&ONE);
    let waker = Arc::new(Waker::new().unwrap());
    let guard = Guard::install(waker.clone(), 1_000_000_000, true, Limits::default(), None).unwrap();
    let alarms = [(); 2].map(|()| Arc::new(Alarm::new(None)));
    alarms.iter().for_each(|alarm| guard.watch_alarm(alarm.clone()));
    // SAFETY: the guard has taken the signal over, so it ends nothing.
    unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
    let mut woken = libc::pollfd { fd: waker.fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    assert_eq!(unsafe { libc::poll(&mut woken, 1, 10_000) }, 1);
    assert!(alarms.iter().all(|alarm| alarm.is_raised()), "before the loop is woken");
    assert_eq!(guard.stop_signal(), None);
    drop(guard);
    // SAFETY: the handler stays: a late one must not end the process.
    unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
}

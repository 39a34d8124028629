//! The guard's eyes inside the interpreter: a thread that can say at which line the loop stands.
//!
//! The guard's own thread never waits for the interpreter, which may be the very thing that hangs; this one does. A loop
//! written in Python lets it in within milliseconds. Native code that holds the interpreter keeps it waiting: then the
//! actor is named without a line, natively where that lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use libra_kernel::Name;
use libra_kernel::guard::{Witness, say};
use libra_kernel::turns::{Blocked, Turn, Turns};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::ffi;
use pyo3::prelude::*;

enum Asked {
    /// A handler of this actor has held the loop for so long.
    Blocked { actor: Name, held_ns: i64, turn: Turn, turns: Arc<Turns> },
    /// Nobody's handler runs, and the loop has not come round for so long.
    HeldByNobody(i64),
    /// Other threads have kept the loop waiting for so long, of the time that it stands in a turn of this actor, or in nobody's.
    KeptWaiting { actor: Option<Name>, held_ns: i64, kept_ns: i64 },
    /// The time of this handler is over.
    TimedOut { turn: Turn, turns: Arc<Turns> },
    /// Where does the loop stand?
    Line(Sender<String>),
}

/// How a handler is ended whose time is over: an exception is raised in the loop's thread, between two of its bytecodes.
///
/// It is set by whoever holds the interpreter and sees that the turn still lasts, and taken back by the loop when the turn
/// ends without having met it: so it never reaches anyone else's code.
pub struct Interruption {
    /// The loop's thread, as the interpreter numbers it.
    thread: std::ffi::c_long,
    exception: Py<PyAny>,
    is_set: AtomicBool,
}

impl Interruption {
    /// For the calling thread.
    pub fn new(exception: Py<PyAny>) -> Self {
        // SAFETY: takes nothing and only asks for the thread's number.
        let thread = unsafe { ffi::PyThread_get_thread_ident() };
        // The number is unsigned in C; the binding of the call that takes it says signed. The bits are the same.
        let thread = thread as std::ffi::c_long;
        Interruption { thread, exception, is_set: AtomicBool::new(false) }
    }

    /// What is raised, with a reason.
    pub fn error(&self, py: Python<'_>, why: &str) -> PyResult<Py<PyAny>> {
        self.exception.call1(py, (why,))
    }

    fn set(&self, _py: Python<'_>) {
        self.is_set.store(true, Ordering::Relaxed);
        // SAFETY: the interpreter is held; the exception is a live class, of which the call takes a reference of its own.
        unsafe { ffi::PyThreadState_SetAsyncExc(self.thread, self.exception.as_ptr()) };
    }

    /// True when a turn was to be ended by it, whether it has met it or not.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// A turn has ended: what was meant for it is met here, by code that does nothing, if it has not been raised. True where
    /// it has.
    ///
    /// Taking it back by null would do for later code, but not for the interpreter: before 3.13 that goes on looking for an
    /// exception for ever, and under a debugger or a coverage tool never gets beyond the look.
    #[cold]
    pub fn take_back(&self, py: Python<'_>) -> bool {
        self.is_set.store(false, Ordering::Relaxed);
        let (mut interrupted, mut was_raised) = (false, true);
        // What waits is raised one by one: a Ctrl-C that is not the guard's, then ours.
        while let Err(error) = py.eval(c"None", None, None) {
            if error.is_instance_of::<PyKeyboardInterrupt>(py) {
                interrupted = true;
            } else if error.is_instance(py, self.exception.bind(py)) {
                was_raised = false;
            } else {
                error.write_unraisable(py, None);
            }
        }
        if interrupted {
            // SAFETY: takes nothing; it has the interpreter meet the signal in the code that runs next.
            unsafe { ffi::PyErr_SetInterrupt() };
        }
        was_raised
    }
}

/// The side that the guard calls. The thread ends when it is dropped and whatever was asked is answered.
pub struct Interpreter {
    asked: Sender<Asked>,
    /// How many questions the thread has answered, and how many it was asked.
    answered: Arc<AtomicU64>,
    questions: AtomicU64,
}

impl Interpreter {
    /// Starts the thread. `look` is called there: with (actor, seconds, whether the handler still runs) it reports, with
    /// the seconds that other threads took of these behind them where they did, with None it says where the loop stands.
    pub fn spawn(
        look: Py<PyAny>,
        interruption: Option<Arc<Interruption>>,
    ) -> std::io::Result<(Arc<Interpreter>, JoinHandle<()>)> {
        let (asked, questions) = channel();
        let answered = Arc::new(AtomicU64::new(0));
        let counted = answered.clone();
        let thread = std::thread::Builder::new()
            .name("libra-witness".into())
            .spawn(move || answer(&look, interruption.as_deref(), &questions, &counted))?;
        Ok((Arc::new(Interpreter { asked, answered, questions: AtomicU64::new(0) }), thread))
    }
}

impl Witness for Interpreter {
    fn blocked(&self, blocked: Blocked, turn: Turn, turns: &Arc<Turns>) {
        match blocked {
            Blocked::First(actor, held_ns) => {
                self.questions.fetch_add(1, Ordering::Relaxed);
                let _ = self.asked.send(Asked::Blocked { actor, held_ns, turn, turns: turns.clone() });
            }
            Blocked::TimedOut(..) => {
                let _ = self.asked.send(Asked::TimedOut { turn, turns: turns.clone() });
            }
            // The interpreter has not let anyone in since: only the guard can still speak.
            Blocked::Still(actor, held_ns) => {
                if self.answered.load(Ordering::Relaxed) < self.questions.load(Ordering::Relaxed) {
                    let seconds = held_ns as f64 / 1e9;
                    say(&format!(
                        "libra: actor {actor} has blocked the loop for {seconds:.1} s, in native code that holds the interpreter\n"
                    ));
                }
            }
        }
    }

    fn held_by_nobody(&self, held_ns: i64) {
        let _ = self.asked.send(Asked::HeldByNobody(held_ns));
    }

    fn kept_waiting(&self, actor: Option<Name>, held_ns: i64, kept_ns: i64) {
        let _ = self.asked.send(Asked::KeptWaiting { actor, held_ns, kept_ns });
    }

    fn line(&self, patience: Duration) -> Option<String> {
        let (reply, line) = channel();
        self.asked.send(Asked::Line(reply)).ok()?;
        line.recv_timeout(patience).ok().filter(|line| !line.is_empty())
    }
}

fn answer(look: &Py<PyAny>, interruption: Option<&Interruption>, questions: &Receiver<Asked>, answered: &AtomicU64) {
    for asked in questions {
        // An interpreter that is going down lets nobody in any more, and has nothing to say.
        let _ = Python::try_attach(|py| match &asked {
            Asked::Blocked { actor, held_ns, turn, turns } => {
                let still = turns.now() == *turn;
                let held_s = *held_ns as f64 / 1e9;
                if let Err(error) = look.call1(py, (actor.as_str(), held_s, still)) {
                    error.write_unraisable(py, Some(look.bind(py)));
                }
            }
            Asked::HeldByNobody(held_ns) => {
                if let Err(error) = look.call1(py, ("", *held_ns as f64 / 1e9, true)) {
                    error.write_unraisable(py, Some(look.bind(py)));
                }
            }
            Asked::KeptWaiting { actor, held_ns, kept_ns } => {
                let actor = actor.map_or("", Name::as_str);
                if let Err(error) = look.call1(py, (actor, *held_ns as f64 / 1e9, true, *kept_ns as f64 / 1e9)) {
                    error.write_unraisable(py, Some(look.bind(py)));
                }
            }
            Asked::TimedOut { turn, turns } => {
                // The interpreter is held from the look to the setting: the loop cannot leave the handler in between.
                if let (Some(interruption), true) = (interruption, turns.now() == *turn) {
                    interruption.set(py);
                }
            }
            Asked::Line(reply) => {
                let line = look.call1(py, (py.None(), 0.0, true)).and_then(|line| line.extract::<String>(py));
                let _ = reply.send(line.unwrap_or_default());
            }
        });
        if matches!(asked, Asked::Blocked { .. }) {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

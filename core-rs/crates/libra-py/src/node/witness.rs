//! The guard's eyes inside the interpreter: a thread that can say at which line the loop stands.
//!
//! The guard's own thread never waits for the interpreter, which may be the very thing that hangs; this one does. A loop
//! written in Python lets it in within milliseconds. Native code that holds the interpreter keeps it waiting: then the
//! actor is named without a line, natively where that lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use libra_kernel::Name;
use libra_kernel::guard::Witness;
use libra_kernel::turns::{Blocked, Turn, Turns};
use pyo3::prelude::*;

enum Asked {
    /// A handler of this actor has held the loop for so long.
    Blocked { actor: Name, held_ns: i64, turn: Turn, turns: Arc<Turns> },
    /// Where does the loop stand?
    Line(Sender<String>),
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
    /// None it says where the loop stands.
    pub fn spawn(look: Py<PyAny>) -> std::io::Result<(Arc<Interpreter>, JoinHandle<()>)> {
        let (asked, questions) = channel();
        let answered = Arc::new(AtomicU64::new(0));
        let counted = answered.clone();
        let thread = std::thread::Builder::new()
            .name("libra-witness".into())
            .spawn(move || answer(&look, &questions, &counted))?;
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
            // The interpreter has not let anyone in since: only the guard can still speak.
            Blocked::Still(actor, held_ns) => {
                if self.answered.load(Ordering::Relaxed) < self.questions.load(Ordering::Relaxed) {
                    let seconds = held_ns as f64 / 1e9;
                    eprintln!(
                        "libra: actor {actor} has blocked the loop for {seconds:.1} s, in native code that holds the interpreter"
                    );
                }
            }
        }
    }

    fn line(&self, patience: Duration) -> Option<String> {
        let (reply, line) = channel();
        self.asked.send(Asked::Line(reply)).ok()?;
        line.recv_timeout(patience).ok().filter(|line| !line.is_empty())
    }
}

fn answer(look: &Py<PyAny>, questions: &Receiver<Asked>, answered: &AtomicU64) {
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

//! Which of a server's refusals the operator has heard of: each reason once, and not with each try. And what it refuses now,
//! for whoever looks.

use libra_kernel::clock::monotonic_ns;

use super::remedy;
use super::report::Value;
use crate::bridge::Shared;
use crate::bridge::news::{News, NewsKind};

/// A reason that was not met for so long has passed: where it comes again, it is told again.
const PASSED_NS: i64 = 600_000_000_000;
/// So many reasons are told at most, until one has passed: a server that finds ever other words fills no log.
const MOST: usize = 32;

/// Those of one connection.
#[derive(Default)]
pub(super) struct Refusals {
    /// With the time when it was met last.
    met: Vec<(String, i64)>,
}

impl Refusals {
    /// There is another connection.
    pub fn clear(&mut self) {
        self.met.clear();
    }

    /// Tells a refusal behind `what`, and what to change for it, unless it was told.
    pub fn tell(&mut self, seam: &Shared, what: &str, refusal: &str) {
        if self.is_new(monotonic_ns(), refusal) {
            let detail = format!("{what}: {}", remedy::behind(refusal));
            seam.tell(News { detail: detail.into(), ..News::new(NewsKind::ServerFinding) });
        }
    }

    fn is_new(&mut self, now_ns: i64, refusal: &str) -> bool {
        self.met.retain(|(_, met_ns)| now_ns - met_ns < PASSED_NS);
        if let Some((_, met_ns)) = self.met.iter_mut().find(|(told, _)| is_same(told, refusal)) {
            *met_ns = now_ns;
            return false;
        }
        let has_room = self.met.len() < MOST;
        if has_room {
            self.met.push((refusal.to_owned(), now_ns));
        }
        has_room
    }
}

/// What of ours a server refuses as it stands: each from the first refusal until the same is done.
pub(super) struct Standing<W> {
    /// With its last reason, and since when.
    refused: Vec<(W, String, i64)>,
}

impl<W> Default for Standing<W> {
    fn default() -> Self {
        Standing { refused: Vec::new() }
    }
}

impl<W: PartialEq> Standing<W> {
    /// There is another connection, or none.
    pub fn clear(&mut self) {
        self.refused.clear();
    }

    pub fn refused(&mut self, now_ns: i64, what: W, reason: &str) {
        match self.refused.iter_mut().find(|(refused, ..)| *refused == what) {
            Some((_, before, _)) if before == reason => {}
            Some((_, before, _)) => reason.clone_into(before),
            None => self.refused.push((what, reason.to_owned(), now_ns)),
        }
    }

    /// What stands: what is rarely asked for is tried again, or it would stand long after it is allowed.
    pub fn rows(&self) -> impl Iterator<Item = &W> {
        self.refused.iter().map(|(refused, ..)| refused)
    }

    pub fn done(&mut self, what: &W) {
        if !self.refused.is_empty() {
            self.refused.retain(|(refused, ..)| refused != what);
        }
    }

    /// For whoever looks: for how long, since the time of a clock may be another one by then.
    pub fn report(&self, now_ns: i64, name: impl Fn(&W) -> String) -> Value {
        let rows = self.refused.iter().map(|(what, reason, since_ns)| {
            Value::Table(vec![
                ("what".to_owned(), Value::Text(name(what))),
                ("reason".to_owned(), Value::Text(remedy::behind(reason))),
                ("for_ns".to_owned(), Value::Number(now_ns - since_ns)),
            ])
        });
        Value::List(rows.collect())
    }
}

/// Where a function was refused its line is named too: numbers make no other reason.
fn is_same(one: &str, other: &str) -> bool {
    one.bytes().filter(|byte| !byte.is_ascii_digit()).eq(other.bytes().filter(|byte| !byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn each_reason_is_told_once_as_long_as_it_is_met() {
        let mut refusals = Refusals::default();
        let no_memory = "OOM command not allowed when used memory > 'maxmemory'.";
        assert!(refusals.is_new(0, "NOREPLICAS Not enough good replicas to write."));
        assert!(refusals.is_new(1, no_memory), "another reason");
        for second in 1..1_000 {
            assert!(!refusals.is_new(second * SECOND, no_memory), "not with each try");
        }
        assert!(refusals.is_new(1_000 * SECOND, "NOREPLICAS Not enough good replicas to write."), "it had passed");
        assert!(!refusals.is_new(1_000 * SECOND, no_memory), "it had not");
        refusals.clear();
        assert!(refusals.is_new(1_000 * SECOND, no_memory));
    }

    #[test]
    fn what_is_refused_stands_from_the_first_time_until_it_is_done() {
        let mut standing = Standing::default();
        let shown = |standing: &Standing<usize>, now_ns: i64| -> Vec<(String, String, i64)> {
            let Value::List(rows) = standing.report(now_ns, |what| format!("append {what}")) else { panic!() };
            let row = |row: Value| match row {
                Value::Table(row) => match &row.into_iter().map(|(_, value)| value).collect::<Vec<_>>()[..] {
                    [Value::Text(what), Value::Text(reason), Value::Number(for_ns)] => {
                        (what.clone(), reason.clone(), *for_ns)
                    }
                    row => panic!("{row:?}"),
                },
                row => panic!("{row:?}"),
            };
            rows.into_iter().map(row).collect()
        };
        standing.refused(SECOND, 1, "OOM");
        standing.refused(2 * SECOND, 2, "OOM");
        standing.refused(3 * SECOND, 1, "NOPERM User t has no permissions to run the 'xadd' command");
        let change = "NOPERM User t has no permissions to run the 'xadd' command; to change: ACL SETUSER t +xadd";
        let first = ("append 1".to_owned(), change.to_owned(), 3 * SECOND);
        assert_eq!(shown(&standing, 4 * SECOND), [first, ("append 2".into(), "OOM".into(), 2 * SECOND)]);
        standing.done(&1);
        standing.done(&3);
        assert_eq!(shown(&standing, 4 * SECOND), [("append 2".to_owned(), "OOM".to_owned(), 2 * SECOND)]);
        standing.refused(5 * SECOND, 1, "OOM");
        assert_eq!(shown(&standing, 5 * SECOND)[1].2, 0, "it was done meanwhile");
        standing.clear();
        assert_eq!(shown(&standing, 5 * SECOND), []);
    }

    #[test]
    fn the_line_of_a_function_makes_no_other_reason_and_its_command_does() {
        let mut refusals = Refusals::default();
        let refused = |command: &str, line: u32| {
            format!(
                "ERR ACL failure in script: User t has no permissions to run the '{command}' command script: on \
                 @user_function:{line}."
            )
        };
        assert!(refusals.is_new(0, &refused("hset", 193)));
        assert!(!refusals.is_new(0, &refused("hset", 27)));
        assert!(refusals.is_new(0, &refused("xadd", 193)));
    }

    #[test]
    fn a_server_that_finds_ever_other_words_fills_no_log() {
        let mut refusals = Refusals::default();
        let words = |number: usize| "ERR ".to_owned() + &"x".repeat(number);
        assert_eq!((0..1_000).filter(|&number| refusals.is_new(0, &words(number))).count(), MOST);
        assert_eq!(refusals.met.len(), MOST);
        assert!(refusals.is_new(PASSED_NS, &words(1_000)));
    }
}

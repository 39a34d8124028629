//! Which of a server's refusals the operator has heard of: each reason once, and not with each try.

use libra_kernel::clock::monotonic_ns;

use super::remedy;
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

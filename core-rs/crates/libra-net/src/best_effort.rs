//! The best-effort kind: what was lost in transit is counted, not repaired.
//!
//! `channel_seq` runs over the events of a publisher's channel. A receiver that follows it knows how many never came:
//! `sent while connected = received + lost`, where what its own queues drop or conflate later counts as received here.

/// The sequence of a channel at its publisher: numbers what is sent, and only that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    sent: u64,
}

impl Numbering {
    /// The first number of a frame with so many events.
    pub fn take(&mut self, count: u64) -> u64 {
        let first = self.sent + 1;
        self.sent += count;
        first
    }

    /// How many were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

/// What came of one publisher's channel, counted at one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    epoch: u64,
    next: u64,
    following: bool,
    /// Events that came, and were passed on.
    pub received: u64,
    /// Events that were sent while we were connected and never came.
    pub lost: u64,
    /// Times that some were lost.
    pub holes: u64,
    /// Frames that were there already, came late, or from a life that was over: not passed on.
    pub refused: u64,
    /// Lives of the publisher that were seen.
    pub lives: u64,
}

impl Accounting {
    /// The subscription is confirmed: what was sent before is not ours to count.
    pub fn connected(&mut self) {
        self.following = false;
    }

    /// A frame with the events from `first` to `last`: whether it is to be passed on.
    pub fn frame(&mut self, epoch: u64, first: u64, last: u64) -> bool {
        if epoch < self.epoch || last < first || (epoch == self.epoch && first < self.next) {
            self.refused += 1;
            return false;
        }
        // A new life that begins while we listen counts from 1.
        let expected = if epoch == self.epoch { self.next } else { 1 };
        self.lives += u64::from(epoch != self.epoch);
        if self.following && first > expected {
            self.lost += first - expected;
            self.holes += 1;
        }
        self.received += last - first + 1;
        (self.epoch, self.next, self.following) = (epoch, last.saturating_add(1), true);
        true
    }

    /// The publisher's beacon says how many it has sent. Called when frames that were sent before have had time to come.
    pub fn sent(&mut self, epoch: u64, sent: u64) {
        if self.following && epoch == self.epoch && sent >= self.next {
            self.lost += sent + 1 - self.next;
            self.holes += 1;
            self.next = sent.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_what_was_sent_and_never_came() {
        let mut accounting = Accounting::default();
        accounting.connected();
        assert!(accounting.frame(5, 11, 20), "it was sent before we came, so nothing is lost");
        assert!(accounting.frame(5, 31, 40));
        assert_eq!((accounting.received, accounting.lost, accounting.holes), (20, 10, 1));
        assert!(
            !accounting.frame(5, 21, 30),
            "late: it is counted as lost, and passing it on would turn the order around"
        );
        assert!(!accounting.frame(4, 41, 50), "a life that is over");
        accounting.sent(5, 45);
        assert_eq!((accounting.lost, accounting.refused), (15, 2));
        assert!(!accounting.frame(5, 41, 45));
    }

    #[test]
    fn nothing_counts_while_nobody_listens() {
        let mut accounting = Accounting::default();
        accounting.sent(5, 1_000);
        assert!(accounting.frame(5, 1, 1));
        accounting.connected();
        accounting.sent(5, 500);
        assert!(accounting.frame(5, 501, 510));
        assert_eq!((accounting.received, accounting.lost), (11, 0));
    }

    #[test]
    fn a_new_life_is_followed_from_its_first_event() {
        let mut accounting = Accounting::default();
        assert!(accounting.frame(5, 7, 9));
        assert!(accounting.frame(6, 3, 4), "its first two were lost");
        assert_eq!((accounting.received, accounting.lost, accounting.lives), (5, 2, 2));
    }

    proptest::proptest! {
        #[test]
        fn received_and_lost_make_up_what_was_sent(
            frames in proptest::collection::vec((1..20_u64, proptest::bool::ANY), 1..200),
        ) {
            let (mut numbering, mut accounting) = (Numbering::default(), Accounting::default());
            let (mut received, mut unheard) = (0, 0);
            for (count, arrives) in frames {
                let first = numbering.take(count);
                if arrives {
                    proptest::prop_assert!(accounting.frame(1, first, first + count - 1));
                    received += count;
                } else if received == 0 {
                    // What comes before the first frame that was heard is not ours to count.
                    unheard += count;
                }
            }
            accounting.sent(1, numbering.sent());
            let sent = if received == 0 { 0 } else { numbering.sent() - unheard };
            proptest::prop_assert_eq!((accounting.received, accounting.received + accounting.lost), (received, sent));
        }
    }
}

//! The best-effort kind: what was lost in transit is counted, not repaired.
//!
//! `channel_seq` runs over the events of a publisher's channel. A receiver that follows it knows how many never came, also
//! those that a cut connection took with it; what its own queues drop or conflate later counts as received here.

use std::ops::Deref;

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

/// What came of one publisher's channel, counted at one receiver: `sent = received + lost + missed + unfollowed`, once the
/// publisher has said how many it sent ([`Accounting::sent`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    epoch: u64,
    next: u64,
    following: bool,
    /// The connection was another one when the last frame came.
    interrupted: bool,
    /// Events that came, and were passed on.
    pub received: u64,
    /// Events that were sent while we were connected and never came.
    pub lost: u64,
    /// Events that went with a connection that was cut, or were sent before the next one stood.
    pub missed: u64,
    /// Events that were sent while nobody here had asked for them.
    pub unfollowed: u64,
    /// Times that some were lost.
    pub holes: u64,
    /// Frames that were there already, came late, or from a life that was over: not passed on.
    pub refused: u64,
    /// Lives of the publisher that were seen.
    pub lives: u64,
}

/// Frames left some out, and their publisher has not confirmed that it has come to the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubt {
    /// The books before the first of them.
    before: Books,
    /// The place of the last.
    epoch: u64,
    last: u64,
    /// How many had been refused by then.
    refused: u64,
    /// How often the publisher has said since that it has not sent so much, while what it sends was refused.
    contradicted: u32,
}

/// So often a publisher says that it has not come to a frame's place, until that frame is taken for a forged one. A beacon may be
/// older than the frames that came before it.
const CONTRADICTED: u32 = 2;

/// The books of a channel, and what is done about a frame that its publisher never sent: whoever may publish on the channel, or
/// a bit that fell over past the checksum, could otherwise have all that is true refused as late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    books: Books,
    doubt: Option<Doubt>,
    /// Events that were passed on and that the publisher had never sent.
    pub forged: u64,
    /// Times that the publisher was followed again behind such a frame.
    pub followed_again: u64,
}

impl Deref for Accounting {
    type Target = Books;

    fn deref(&self) -> &Books {
        &self.books
    }
}

impl Accounting {
    /// The subscription is confirmed, on another connection than before.
    pub fn connected(&mut self) {
        self.each(|books| books.interrupted = books.following);
    }

    /// The subscription has ended, since nobody here asks for it any more.
    pub fn left(&mut self) {
        self.each(|books| books.following = false);
    }

    fn each(&mut self, change: impl Fn(&mut Books)) {
        change(&mut self.books);
        self.doubt.iter_mut().for_each(|doubt| change(&mut doubt.before));
    }

    /// A frame with the events from `first` to `last`: whether it is to be passed on.
    pub fn frame(&mut self, epoch: u64, first: u64, last: u64) -> bool {
        let before = self.books;
        let is_taken = self.books.frame(epoch, first, last);
        let goes_on = before.epoch == epoch && before.next == first;
        if is_taken && !goes_on {
            let before = self.doubt.map_or(before, |doubt| doubt.before);
            self.doubt = Some(Doubt { before, epoch, last, refused: self.books.refused, contradicted: 0 });
        }
        is_taken
    }

    /// The publisher says how many it has sent. Called when what was sent before has come or never will, and the subscription
    /// stands.
    pub fn sent(&mut self, epoch: u64, sent: u64) {
        if let Some(doubt) = &mut self.doubt {
            if (epoch, sent) >= (doubt.epoch, doubt.last) {
                self.doubt = None;
            } else if epoch >= doubt.before.epoch && self.books.refused > doubt.refused {
                doubt.contradicted += 1;
                if doubt.contradicted >= CONTRADICTED {
                    self.follow_again();
                }
            }
        }
        self.books.sent(epoch, sent);
    }

    /// What came since that frame was forged too, and what was refused is lost.
    fn follow_again(&mut self) {
        let Some(Doubt { before, .. }) = self.doubt.take() else { return };
        self.forged = self.forged.saturating_add(self.books.received - before.received);
        self.followed_again += 1;
        self.books = Books { refused: self.books.refused, ..before };
    }
}

impl Books {
    fn frame(&mut self, epoch: u64, first: u64, last: u64) -> bool {
        if epoch < self.epoch || last < first || (epoch == self.epoch && first < self.next) {
            self.refused += 1;
            return false;
        }
        self.pass_over(epoch, first);
        self.received = self.received.saturating_add(last - first).saturating_add(1);
        (self.next, self.interrupted) = (last.saturating_add(1), false);
        true
    }

    /// The publisher says how many it has sent. Called when what was sent before has come or never will, and the subscription
    /// stands. It follows nobody by that: frames may have left before we subscribed whose number the publisher did not know
    /// yet when it spoke.
    fn sent(&mut self, epoch: u64, sent: u64) {
        if epoch > self.epoch || (epoch == self.epoch && sent >= self.next) {
            let following = self.following;
            self.pass_over(epoch, sent.saturating_add(1));
            self.following = following;
        }
    }

    /// What was expected before this place never came.
    fn pass_over(&mut self, epoch: u64, place: u64) {
        // A life counts from 1.
        let expected = if epoch == self.epoch { self.next.max(1) } else { 1 };
        self.lives += u64::from(epoch != self.epoch);
        let hole = place.saturating_sub(expected);
        match (self.following, self.interrupted) {
            // Of what others say: the sums saturate.
            (false, _) => self.unfollowed = self.unfollowed.saturating_add(hole),
            (true, true) => self.missed = self.missed.saturating_add(hole),
            (true, false) => {
                self.lost = self.lost.saturating_add(hole);
                self.holes += u64::from(hole > 0);
            }
        }
        (self.epoch, self.next, self.following) = (epoch, place, true);
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
        assert_eq!(accounting.unfollowed, 10);
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
    fn what_a_cut_connection_took_with_it_is_missed_and_told_at_the_latest_by_the_publisher() {
        let mut accounting = Accounting::default();
        assert!(accounting.frame(5, 1, 10));
        accounting.connected();
        accounting.sent(5, 500);
        assert_eq!(
            (accounting.received, accounting.lost, accounting.missed),
            (10, 0, 490),
            "nothing more may ever come"
        );
        assert!(accounting.frame(5, 521, 530), "the rest before the first frame");
        assert_eq!((accounting.received, accounting.lost, accounting.missed), (20, 0, 510));
        accounting.sent(5, 531);
        accounting.sent(5, 531);
        accounting.sent(4, 900);
        assert_eq!((accounting.lost, accounting.missed), (1, 510));
        accounting.sent(6, 3);
        assert_eq!((accounting.lost, accounting.lives), (4, 2), "a life of which nothing came");
    }

    #[test]
    fn what_was_sent_while_nobody_asked_is_neither_lost_nor_missed() {
        let mut accounting = Accounting::default();
        accounting.sent(5, 1_000);
        assert!(accounting.frame(5, 1_001, 1_001));
        accounting.left();
        accounting.connected();
        assert!(accounting.frame(5, 1_501, 1_510));
        assert_eq!((accounting.received, accounting.lost, accounting.missed), (11, 0, 0));
        assert_eq!(accounting.unfollowed, 1_499);
    }

    #[test]
    fn sums_of_what_others_say_do_not_wrap() {
        let mut accounting = Accounting::default();
        for epoch in 1..4 {
            assert!(accounting.frame(epoch, u64::MAX - 1, u64::MAX));
        }
        assert_eq!((accounting.lost, accounting.received), (u64::MAX, 6));
        accounting.connected();
        accounting.sent(8, u64::MAX);
        accounting.connected();
        accounting.sent(9, u64::MAX);
        accounting.left();
        accounting.sent(10, u64::MAX);
        accounting.left();
        accounting.sent(11, u64::MAX);
        assert_eq!((accounting.missed, accounting.unfollowed), (u64::MAX, u64::MAX));
    }

    #[test]
    fn a_publisher_that_knows_less_than_it_has_sent_makes_no_loss_of_what_nobody_had_asked_for() {
        let mut accounting = Accounting::default();
        accounting.connected();
        accounting.sent(5, 0);
        accounting.sent(5, 2);
        assert!(accounting.frame(5, 3, 6));
        assert_eq!((accounting.received, accounting.lost, accounting.unfollowed), (4, 0, 2));
        accounting.sent(5, 8);
        assert_eq!(accounting.lost, 2, "from here on it is followed");
        accounting.left();
        accounting.sent(5, 9);
        accounting.sent(5, 11);
        assert_eq!((accounting.lost, accounting.unfollowed), (2, 5));
    }

    #[test]
    fn a_new_life_is_followed_from_its_first_event() {
        let mut accounting = Accounting::default();
        assert!(accounting.frame(5, 7, 9));
        assert!(accounting.frame(6, 3, 4), "its first two were lost");
        assert_eq!((accounting.received, accounting.lost, accounting.lives), (5, 2, 2));
    }

    #[test]
    fn a_forged_number_stops_its_publisher_for_two_beacons_and_no_longer() {
        for (epoch, first) in [(5, 1 << 52), (1 << 52, 3)] {
            let mut accounting = Accounting::default();
            assert!(accounting.frame(5, 1, 10));
            accounting.sent(5, 10);
            assert!(accounting.frame(epoch, first, first + 1), "nothing shows that it is not the publisher's");
            assert!(accounting.frame(epoch, first + 9, first + 9), "and another one");
            for (from, sent) in [(11, 20), (21, 30)] {
                assert!(!accounting.frame(5, from, sent));
                accounting.sent(5, sent);
            }
            assert!(accounting.frame(5, 31, 40), "it is followed again");
            accounting.sent(5, 40);
            assert_eq!((accounting.forged, accounting.followed_again, accounting.refused), (3, 1, 2));
            assert_eq!((accounting.received, accounting.lost), (20, 20), "of 40 that were sent");
        }
    }

    #[test]
    fn a_true_hole_is_believed_though_beacons_are_behind_it_and_late_frames_come() {
        let mut accounting = Accounting::default();
        assert!(accounting.frame(5, 1, 10));
        assert!(accounting.frame(5, 1_001, 1_010));
        for _ in 0..9 {
            accounting.sent(5, 500);
        }
        assert!(!accounting.frame(5, 11, 20));
        accounting.sent(5, 700);
        accounting.sent(5, 1_010);
        assert!(!accounting.frame(5, 21, 30));
        assert!(accounting.frame(6, 1, 5), "a new life");
        assert!(!accounting.frame(5, 1_011, 1_020));
        accounting.sent(5, 1_020);
        accounting.sent(6, 5);
        accounting.sent(6, 5);
        assert_eq!((accounting.forged, accounting.followed_again, accounting.received), (0, 0, 25));
        assert_eq!((accounting.lost, accounting.holes), (990, 1));
    }

    proptest::proptest! {
        #[test]
        fn what_was_sent_is_accounted_for_whatever_becomes_of_it(
            steps in proptest::collection::vec((1..20_u64, 0..5_u8), 1..200),
        ) {
            let (mut numbering, mut accounting) = (Numbering::default(), Accounting::default());
            let (mut received, mut is_asked_for) = (0, true);
            for (count, step) in steps {
                match step {
                    0 | 1 => {
                        let first = numbering.take(count);
                        if step == 0 && is_asked_for {
                            proptest::prop_assert!(accounting.frame(1, first, first + count - 1));
                            received += count;
                        }
                    }
                    2 => accounting.connected(),
                    3 => {
                        is_asked_for = !is_asked_for;
                        if !is_asked_for {
                            accounting.left();
                        }
                    }
                    _ => {}
                }
            }
            accounting.sent(1, numbering.sent());
            let Books { lost, missed, unfollowed, .. } = *accounting;
            proptest::prop_assert_eq!(accounting.received, received);
            proptest::prop_assert_eq!(received + lost + missed + unfollowed, numbering.sent());
        }
    }
}

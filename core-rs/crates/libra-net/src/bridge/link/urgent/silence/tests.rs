//! Random stops of this node, of the others and of all, and outages of the server, against what really happened.

use std::collections::{BTreeMap, VecDeque};

use super::*;

const MS: i64 = 1_000_000;
const STEP: i64 = 10;
const PEERS: usize = 3;
/// So many messages wait before the server cuts whoever does not read.
const MOST_WAITING: usize = 3_000;

enum Message {
    Beacon(usize),
    Answer(u64),
    Other,
}

/// Another node; times in ms.
#[derive(Default)]
struct Peer {
    is_killed: bool,
    stands_until: i64,
    next_beacon: i64,
    /// When it published last, and when that was read, by our own running time; and when it had when we listened anew.
    said: i64,
    said_before: i64,
    heard: i64,
    is_called_dead: bool,
    /// It was heard since we listened anew; and it was when we did so last, so that it was given time to connect.
    has_come: bool,
    has_time: bool,
    /// For how long it had said nothing when the server was asked.
    was_silent: i64,
    /// It lives, and has no connection before this.
    connects_at: i64,
}

struct World {
    rng: fastrand::Rng,
    now: i64,
    silence: Silence,
    peers: [Peer; PEERS],
    /// What the server has for us.
    waits: VecDeque<Message>,
    /// So many of these are read in a turn, and so many others come in a step.
    read: usize,
    others: usize,
    stands_until: i64,
    server_stands_until: i64,
    /// The server went away, and we have no connection before this.
    connects_at: Option<i64>,
    /// Up to when we have read all that there was, by our own running time; and what was asked when.
    sure: i64,
    asked: (u64, i64),
    /// Since when nothing counts that we listened to.
    deaf_since: Option<i64>,
    /// The listener alone is cut so often; 0: it is not.
    cut_every: i64,
    may_be_cut: bool,
    /// For how long we have stood still now.
    stood: i64,
    /// How long we ran; short stops count.
    ran: i64,
    /// In that time: when we went on last behind a stop, and when less waited last than a turn reads.
    went_on: i64,
    behind: i64,
    seen: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (read, others) = (rng.usize(2..40), rng.usize(0..4));
        let silence = Silence::new(PEERS);
        let mut world = World {
            rng,
            now: 0,
            silence,
            peers: Default::default(),
            waits: VecDeque::new(),
            read,
            others,
            stands_until: 0,
            server_stands_until: 0,
            connects_at: None,
            sure: 0,
            asked: (0, 0),
            deaf_since: None,
            cut_every: 0,
            may_be_cut: seed % 2 == 1,
            stood: 0,
            ran: 0,
            went_on: 0,
            behind: 0,
            seen: BTreeMap::new(),
        };
        world.silence.turn(0);
        world.peers.iter_mut().for_each(|peer| peer.has_come = true);
        world.stands();
        world
    }

    /// We listen, anew; whoever was heard since the last time has the time to connect first. What nobody listened to counts for nothing.
    fn stands(&mut self) {
        self.connects_at = None;
        self.waits.clear();
        self.silence.ends();
        self.silence.stands();
        let deaf = self.ran - self.deaf_since.take().unwrap_or(self.sure);
        self.sure = self.ran;
        for peer in &mut self.peers {
            peer.has_time = std::mem::take(&mut peer.has_come);
            // What it said and we did not read is as if it had not been said.
            (peer.said, peer.heard) = match peer.has_time {
                true => (self.ran, self.ran + REJOIN_NS / MS),
                false => (peer.said_before + deaf, peer.heard + deaf),
            };
            peer.said_before = peer.said;
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// A stop that is too short to be noticed, or one that has to be.
    fn stop(&mut self) -> i64 {
        if self.rng.bool() { self.rng.i64(1..45) * STEP } else { self.rng.i64(101..800) * STEP }
    }

    fn happens(&mut self) {
        let (what, peer, span) = (self.rng.u32(0..2_000), self.rng.usize(0..PEERS), self.stop());
        let until = self.now + span;
        // Two short stops are not to be a long one.
        let may_stop = self.now > self.stands_until + 600;
        match what {
            0 if may_stop => {
                self.stands_until = until;
                self.count("we stand still");
            }
            1 if may_stop => {
                (self.stands_until, self.server_stands_until) = (until, until);
                self.peers.iter_mut().for_each(|peer| peer.stands_until = peer.stands_until.max(until));
                self.count("all stand still");
            }
            2 => self.peers[peer].stands_until = until,
            3 => {
                self.peers[peer].is_killed ^= true;
                self.count("killed, or started");
            }
            4 => self.others = self.rng.usize(0..4),
            5 if self.connects_at.is_none() && self.rng.u32(0..3) == 0 => {
                let back = self.now + self.rng.i64(1..600) * STEP;
                self.connects_at = Some(back);
                self.deaf_since = Some(self.sure);
                self.silence.ends();
                for peer in &mut self.peers {
                    // Before us, or as long behind us as it may take.
                    peer.connects_at = (back + self.rng.i64(-200..=REJOIN_NS / MS / STEP) * STEP).max(self.now);
                    peer.next_beacon = peer.connects_at;
                }
                self.count("an outage");
            }
            6 if self.may_be_cut => {
                self.cut_every = [0, 0, 0, 200, 1_000, 3_000, 6_000][self.rng.usize(0..7)];
                self.count("the listener is cut for a while");
            }
            _ => {}
        }
    }

    fn others_run(&mut self) {
        for (at, peer) in self.peers.iter_mut().enumerate() {
            let runs = !peer.is_killed && peer.stands_until <= self.now;
            let runs = runs && peer.connects_at <= self.now;
            if runs && self.server_stands_until <= self.now && self.now >= peer.next_beacon {
                (peer.next_beacon, peer.said) = (self.now + 1_000, self.ran);
                self.waits.push_back(Message::Beacon(at));
            }
        }
        if self.server_stands_until <= self.now {
            (0..self.others).for_each(|_| self.waits.push_back(Message::Other));
        }
        if self.waits.len() > MOST_WAITING {
            self.count("cut by the server");
            self.stands();
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        if let Some(at) = self.connects_at {
            self.waits.clear();
            self.silence.turn(self.now * MS);
            if at <= self.now {
                self.stands();
            }
            return Ok(());
        }
        let is_due = self.silence.due_ns().is_none_or(|due| due <= self.now * MS);
        if self.waits.is_empty() && !is_due {
            return Ok(());
        }
        self.silence.turn(self.now * MS);
        for _ in 0..self.read {
            match self.waits.pop_front() {
                Some(Message::Beacon(peer)) => {
                    self.silence.heard(peer);
                    let peer = &mut self.peers[peer];
                    (peer.is_called_dead, peer.heard, peer.has_come) = (false, self.ran, true);
                }
                Some(Message::Answer(number)) => {
                    self.silence.answered(number);
                    if self.asked.0 == number {
                        self.sure = self.asked.1;
                    }
                }
                Some(Message::Other) => {}
                None => break,
            }
        }
        if !self.waits.is_empty() {
            self.behind = self.ran;
            // What may still come of who connects is not read meanwhile.
            let connecting = self.peers.iter_mut().filter(|peer| peer.heard > self.ran);
            connecting.for_each(|peer| peer.heard += STEP);
            self.count("a backlog");
        }
        if let Some(number) = self.silence.question() {
            self.waits.push_back(Message::Answer(number));
            self.asked = (number, self.ran);
            self.peers.iter_mut().for_each(|peer| peer.was_silent = self.ran - peer.said);
        }
        for at in self.silence.dead() {
            let (peer, ran) = (&mut self.peers[at], self.ran);
            peer.is_called_dead = true;
            let (silent, since) = (peer.was_silent, ran - self.went_on);
            if silent < SILENCE_NS / MS - STEP {
                return Err(format!("{at} is called dead at {}, and has said nothing for {silent} ms", self.now));
            }
            if since < ROUND_NS / MS - STEP {
                return Err(format!("{at} is called dead at {}, {since} ms behind our own stop", self.now));
            }
            let peer = &self.peers[at];
            if !peer.is_killed && peer.has_time && self.now < peer.connects_at {
                return Err(format!("{at} is called dead at {}, and connects until {}", self.now, peer.connects_at));
            }
            self.count("called dead");
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += STEP;
        self.happens();
        if self.cut_every > 0 && self.now % self.cut_every == 0 && self.connects_at.is_none() && self.stood == 0 {
            self.stands();
        }
        self.others_run();
        if self.stands_until > self.now {
            self.stood += STEP;
            return Ok(());
        }
        match std::mem::take(&mut self.stood) {
            stood if stood * MS > LATE_NS => self.went_on = self.ran,
            stood => self.ran += stood,
        }
        self.ran += STEP;
        self.turn()?;
        if self.connects_at.is_some() {
            return Ok(());
        }
        // Whoever is gone is known in three seconds, of those in which we ran and were not behind.
        for (at, peer) in self.peers.iter().enumerate() {
            let since = peer.heard.max(self.went_on).max(self.behind);
            if !peer.is_called_dead && self.ran > since + 3_000 {
                return Err(format!("{at} was heard at {since}, and is not called dead at {}", self.ran));
            }
        }
        Ok(())
    }
}

#[test]
fn a_stop_of_our_own_is_held_against_nobody_and_a_death_is_known_in_three_seconds() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..200 {
        let mut world = World::new(seed);
        for _ in 0..20_000 {
            world.step().unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        }
        world.seen.iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    for what in [
        "we stand still",
        "all stand still",
        "killed, or started",
        "cut by the server",
        "an outage",
        "the listener is cut for a while",
        "a backlog",
        "called dead",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times > 5), "{what}: {seen:?}");
    }
}

/// Looks in time, and is answered at once.
fn looks(silence: &mut Silence, from_ms: i64, upto_ms: i64) -> Option<i64> {
    let mut now_ms = from_ms;
    while now_ms < upto_ms {
        now_ms += 50;
        silence.turn(now_ms * MS);
        if let Some(number) = silence.question() {
            silence.answered(number);
        }
        if !silence.dead().is_empty() {
            return Some(now_ms);
        }
    }
    None
}

#[test]
fn time_that_it_did_not_look_counts_against_no_acknowledgement_and_the_round_behind_it_neither() {
    let mut silence = Silence::new(1);
    assert_eq!(silence.turn(0), 0);
    silence.stands();
    assert_eq!(silence.turn(400 * MS), 0);
    assert_eq!(silence.turn(4_400 * MS), 4_000 * MS, "it stood still");
    assert_eq!(silence.turn(4_500 * MS), 100 * MS, "it has not read what waits");
    let number = silence.question().expect("it asks");
    silence.answered(number + 1);
    assert_eq!(silence.turn(4_600 * MS), 100 * MS, "that was no answer to it");
    silence.answered(number);
    assert_eq!(silence.turn(5_000 * MS), 400 * MS, "the others have a round");
    assert_eq!(silence.turn(5_500 * MS), 500 * MS);
    assert_eq!(silence.turn(5_700 * MS), 0);
}

#[test]
fn an_answer_from_before_a_stop_says_nothing_of_what_came_since() {
    let mut silence = Silence::new(1);
    silence.turn(0);
    silence.stands();
    silence.heard(0);
    (1..=5).for_each(|look| _ = silence.turn(look * 500 * MS));
    let before = silence.question().expect("its time is over");
    silence.turn(9_000 * MS);
    silence.answered(before);
    assert_eq!(silence.dead(), []);
    silence.heard(0);
    let behind = silence.question().expect("it has stood still");
    silence.answered(behind);
    assert_eq!(looks(&mut silence, 9_000, 14_000), Some(11_500));
}

#[test]
fn behind_a_connection_that_is_new_the_others_have_the_time_to_connect_and_whoever_was_heard_is_judged_as_ever() {
    let rejoin = REJOIN_NS / MS;
    let mut silence = Silence::new(2);
    silence.turn(0);
    assert_eq!(looks(&mut silence, 0, 60_000), None, "it does not listen");
    silence.stands();
    assert_eq!(looks(&mut silence, 60_000, 61_000), None);
    silence.heard(1);
    assert_eq!(looks(&mut silence, 61_000, 80_000), Some(63_500), "who was heard since");
    assert_eq!(looks(&mut silence, 63_500, 80_000), Some(60_000 + rejoin + 2_500), "who was not");
    assert_eq!(looks(&mut silence, 60_000 + rejoin + 2_500, 90_000), None, "it was told once");
    silence.heard(0);
    assert_eq!(looks(&mut silence, 90_000, 99_000), Some(92_500));
}

#[test]
fn the_time_to_connect_is_granted_once_however_often_the_listener_is_cut() {
    let rejoin = REJOIN_NS / MS;
    let mut silence = Silence::new(2);
    silence.turn(0);
    silence.stands();
    silence.heard(0);
    let (mut now_ms, mut died) = (0, None);
    while died.is_none() && now_ms < 60_000 {
        // One second is heard, half of one is not; and one of the two goes on.
        died = looks(&mut silence, now_ms, now_ms + 1_000);
        silence.ends();
        assert_eq!(looks(&mut silence, now_ms + 1_000, now_ms + 1_500), None, "it does not listen");
        silence.stands();
        silence.heard(1);
        now_ms += 1_500;
    }
    // From the first cut on; of each second that it listened it is sure of all but what came behind the last question.
    let listened = died.map(|at_ms| at_ms / 1_500 * 1_000 + at_ms % 1_500).expect("it is noticed");
    let least = 1_000 + rejoin + 2_500;
    assert!((least..=1_000 + 2 * (rejoin + 2_500)).contains(&listened), "{listened} ms");
    assert_eq!(silence.dead(), [], "who is heard lives");
}

#[test]
fn a_listener_whose_connections_are_cut_at_once_notices_a_death_all_the_same() {
    for lives_ms in [50, 100, 200, 450] {
        let mut silence = Silence::new(1);
        silence.turn(0);
        let (mut now_ms, mut listened, mut died, mut asked) = (0, 0, false, 0);
        while !died && listened < 60_000 {
            silence.stands();
            let ends_ms = now_ms + lives_ms;
            while now_ms < ends_ms && !died {
                // Only as often as it says itself.
                now_ms = (silence.due_ns().expect("it listens") / MS).min(ends_ms);
                silence.turn(now_ms * MS);
                if let Some(number) = silence.question() {
                    asked += 1;
                    silence.answered(number);
                    died = !silence.dead().is_empty();
                }
            }
            listened += lives_ms;
            silence.ends();
            now_ms += 100;
            silence.turn(now_ms * MS);
        }
        assert!(died, "cut each {lives_ms} ms");
        let least = (REJOIN_NS + SILENCE_NS) / MS;
        assert!((least..3 * least).contains(&listened), "cut each {lives_ms} ms: {listened} ms");
        assert!(asked <= 5 * listened / lives_ms, "cut each {lives_ms} ms, it asked {asked} times in {listened} ms");
    }
}

#[test]
fn what_a_connection_held_when_it_ended_is_held_against_nobody() {
    let mut silence = Silence::new(1);
    silence.turn(0);
    silence.stands();
    for cut in 0..20 {
        // More waits than is read before the end, and the answer stands behind it.
        for look in 1..=20 {
            silence.turn((cut * 1_000 + look * 50) * MS);
            let _ = silence.question();
            assert_eq!(silence.dead(), []);
        }
        silence.ends();
        silence.stands();
    }
    let died = looks(&mut silence, 20_000, 40_000).expect("it is gone");
    assert!(died >= 20_000 + REJOIN_NS / MS + 2_500, "{died}");
}

#[test]
fn behind_a_stop_without_a_connection_the_others_have_a_round_too() {
    let mut silence = Silence::new(1);
    silence.turn(0);
    silence.stands();
    silence.ends();
    silence.stands();
    assert_eq!(looks(&mut silence, 0, 8_400), None);
    silence.ends();
    silence.turn(14_000 * MS);
    silence.stands();
    let died = looks(&mut silence, 14_000, 20_000).expect("it is gone");
    assert!(died >= 15_000, "{died}");
}

#[test]
fn where_the_server_has_lost_its_data_the_others_may_be_connecting_too() {
    let rejoin = REJOIN_NS / MS;
    let mut silence = Silence::new(1);
    silence.turn(0);
    silence.stands();
    silence.heard(0);
    assert_eq!(looks(&mut silence, 0, 1_000), None);
    silence.others_rejoin();
    assert_eq!(looks(&mut silence, 1_000, 20_000), Some(1_000 + rejoin + 2_500));
}

#[test]
fn the_time_to_connect_is_what_a_failed_try_and_the_wait_behind_it_may_take() {
    use crate::resp::{BackoffLimits, Options};
    let (limits, options) = (BackoffLimits::default(), Options::new("x"));
    let longest = options.connect_within + options.answer_within + limits.longest;
    assert_eq!(REJOIN_NS, longest.as_nanos() as i64);
}

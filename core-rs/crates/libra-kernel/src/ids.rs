//! Trace, span and business ids: 128 and 64 random bits from a generator a thread, seeded in a simulated run.
//!
//! A live generator has 192 bits of the operating system's randomness. The generator proper has 64 bits of state only, so
//! of many threads and processes two would come to the same stretch of its cycle sooner than 128-bit ids allow; masks of
//! each thread's own over both halves keep what they draw there apart.
//!
//! W3C Trace Context forbids all-zero trace and span ids, so neither is ever drawn.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use fastrand::Rng;

use crate::clock;

/// A W3C trace id, as two halves (an event's header has no room for the alignment of a `u128`).
pub type TraceId = [u64; 2];

struct Generator {
    rng: Rng,
    /// Of a trace id's first half and of span ids, and of a trace id's second half. Zero in a seeded generator.
    masks: [u64; 2],
}

impl Generator {
    fn seeded(seed: u64) -> Self {
        Generator { rng: Rng::with_seed(seed), masks: [0, 0] }
    }

    fn live() -> Self {
        let mut seeds = [[0; 8]; 3];
        if getrandom::fill(seeds.as_flattened_mut()).is_err() {
            // No randomness to be had from the system: what the standard library keys its hash maps with, and the time.
            let mut rng = Rng::new();
            seeds.iter_mut().for_each(|seed| {
                let drawn = RandomState::new().hash_one((rng.u64(..), clock::wall_ns()));
                *seed = drawn.to_ne_bytes();
            });
        }
        let [seed, first, second] = seeds.map(u64::from_ne_bytes);
        Generator { rng: Rng::with_seed(seed), masks: [first, second] }
    }

    /// Never zero.
    #[inline]
    fn first(&mut self) -> u64 {
        (self.rng.u64(1..) ^ self.masks[0]).max(1)
    }

    #[inline]
    fn second(&mut self) -> u64 {
        self.rng.u64(..) ^ self.masks[1]
    }
}

thread_local! {
    static GENERATOR: RefCell<Generator> = RefCell::new(Generator::live());
}

/// Seeds this thread's generator: the ids that follow are a function of `seed` alone.
pub fn seed(seed: u64) {
    GENERATOR.with(|generator| *generator.borrow_mut() = Generator::seeded(seed));
}

/// Seeds this thread's generator from the operating system again, as at the start of a thread.
pub fn unseed() {
    GENERATOR.with(|generator| *generator.borrow_mut() = Generator::live());
}

/// A new trace id, never all zero.
#[inline]
pub fn trace_id() -> TraceId {
    GENERATOR.with(|generator| {
        let generator = &mut *generator.borrow_mut();
        [generator.first(), generator.second()]
    })
}

/// A new span id, never zero.
#[inline]
pub fn span_id() -> u64 {
    GENERATOR.with(|generator| generator.borrow_mut().first())
}

/// A new business id (of a signal, a request), never zero.
pub fn business_id() -> u128 {
    let [high, low] = trace_id();
    u128::from(high) << 64 | u128::from(low)
}

/// The 32 hexadecimal digits of a trace id.
pub fn trace_hex(id: TraceId) -> [u8; 32] {
    let mut out = [0; 32];
    out[..16].copy_from_slice(&span_hex(id[0]));
    out[16..].copy_from_slice(&span_hex(id[1]));
    out
}

/// The 16 hexadecimal digits of a span id.
pub fn span_hex(id: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 16];
    for (pair, byte) in out.chunks_exact_mut(2).zip(id.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

/// Reads 32 hexadecimal digits; `None` for anything else and for the forbidden all-zero id.
pub fn parse_trace_hex(text: &str) -> Option<TraceId> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let id = [u64::from_str_radix(&text[..16], 16).ok()?, u64::from_str_radix(&text[16..], 16).ok()?];
    (id != [0, 0]).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_ids_repeat() {
        let draw = || (0..8).map(|_| (trace_id(), span_id())).collect::<Vec<_>>();
        seed(7);
        let first = draw();
        seed(7);
        assert_eq!(first, draw());
        seed(8);
        assert_ne!(first, draw());
        unseed();
    }

    #[test]
    fn seeded_ids_stay_what_they_were() {
        // Digests of seeded runs depend on them: the plain generator's draws, no mask.
        let mut plain = Rng::with_seed(7);
        seed(7);
        assert_eq!(trace_id(), [plain.u64(1..), plain.u64(..)]);
        assert_eq!(span_id(), plain.u64(1..));
        unseed();
    }

    #[test]
    fn live_ids_differ_between_threads_and_after_a_seeded_run() {
        let draw = || (0..500).map(|_| trace_id()).collect::<Vec<_>>();
        let mut all = draw();
        for _ in 0..2 {
            seed(7);
            unseed();
            all.extend(draw());
        }
        for thread in (0..4).map(|_| std::thread::spawn(draw)).collect::<Vec<_>>() {
            all.extend(thread.join().unwrap());
        }
        let halves: std::collections::HashSet<u64> = all.iter().flatten().copied().collect();
        assert_eq!(halves.len(), 2 * 7 * 500);
    }

    #[test]
    fn generators_in_the_same_state_draw_different_ids() {
        let (mut a, mut b) = (Generator::live(), Generator::live());
        b.rng = a.rng.clone();
        assert_ne!(a.masks, b.masks);
        assert!((0..1_000).all(|_| (a.first(), a.second()) != (b.first(), b.second())));
    }

    #[test]
    fn a_masked_draw_is_never_zero() {
        let mut twin = Rng::with_seed(3);
        let mut generator = Generator { rng: Rng::with_seed(3), masks: [twin.u64(1..), 0] };
        assert_eq!(generator.first(), 1);
    }

    #[test]
    fn hex_round_trips() {
        let id = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
        let hex = String::from_utf8(trace_hex(id).to_vec()).unwrap();
        assert_eq!(hex, "0123456789abcdeffedcba9876543210");
        assert_eq!(parse_trace_hex(&hex), Some(id));
        assert_eq!(parse_trace_hex(&"0".repeat(32)), None);
        assert_eq!(parse_trace_hex("é".repeat(16).as_str()), None);
    }
}

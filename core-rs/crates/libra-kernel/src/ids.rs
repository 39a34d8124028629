//! Trace, span and business ids: 128 and 64 random bits from a generator a thread, seeded in a simulated run.
//!
//! W3C Trace Context forbids all-zero trace and span ids, so neither is ever drawn.

use std::cell::RefCell;

use fastrand::Rng;

/// A W3C trace id, as two halves (an event's header has no room for the alignment of a `u128`).
pub type TraceId = [u64; 2];

thread_local! {
    static GENERATOR: RefCell<Rng> = RefCell::new(Rng::new());
}

/// Seeds this thread's generator: the ids that follow are a function of `seed` alone.
pub fn seed(seed: u64) {
    GENERATOR.with(|generator| *generator.borrow_mut() = Rng::with_seed(seed));
}

/// Seeds this thread's generator from the operating system again, as at the start of a thread.
pub fn unseed() {
    GENERATOR.with(|generator| *generator.borrow_mut() = Rng::new());
}

/// A new trace id, never all zero.
#[inline]
pub fn trace_id() -> TraceId {
    GENERATOR.with(|generator| {
        let rng = &mut *generator.borrow_mut();
        [rng.u64(1..), rng.u64(..)]
    })
}

/// A new span id, never zero.
#[inline]
pub fn span_id() -> u64 {
    GENERATOR.with(|generator| generator.borrow_mut().u64(1..))
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
    fn hex_round_trips() {
        let id = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
        let hex = String::from_utf8(trace_hex(id).to_vec()).unwrap();
        assert_eq!(hex, "0123456789abcdeffedcba9876543210");
        assert_eq!(parse_trace_hex(&hex), Some(id));
        assert_eq!(parse_trace_hex(&"0".repeat(32)), None);
        assert_eq!(parse_trace_hex("é".repeat(16).as_str()), None);
    }
}

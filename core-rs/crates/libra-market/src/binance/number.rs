//! Decimal text to units of an instrument's decimals.

use libra_kernel::fixed::{self, DecimalError, MAX_DECIMALS};

/// As [`fixed::parse_units`], quicker for what venues send: digits, a dot, digits, eighteen in all. Whatever else comes
/// goes to the exact one, so the two never differ.
#[inline]
pub(super) fn parse_units(text: &[u8], decimals: u8) -> Result<i64, DecimalError> {
    match parse_short(text, decimals) {
        Some(units) => Ok(units),
        None => fixed::parse_units(text, decimals),
    }
}

/// Eighteen digits are below 10^18 and so fit an `i64`, with those that the decimals add.
const SHORT_DIGITS: usize = 18;

const POW10: [i64; SHORT_DIGITS + 1] = {
    let mut table = [1; SHORT_DIGITS + 1];
    let mut i = 1;
    while i <= SHORT_DIGITS {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

#[inline]
fn parse_short(text: &[u8], decimals: u8) -> Option<i64> {
    if text.len() > SHORT_DIGITS + 1 {
        return None;
    }
    let mut value: i64 = 0;
    let mut dot = text.len();
    for (at, &byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        } else if byte == b'.' && dot == text.len() {
            dot = at;
        } else {
            return None;
        }
    }
    // Nineteen characters without a dot might not fit.
    let (fraction, digits) = if dot == text.len() { (0, text.len()) } else { (text.len() - dot - 1, text.len() - 1) };
    if digits > SHORT_DIGITS || dot == 0 || (dot < text.len() && fraction == 0) {
        return None;
    }
    let decimals = usize::from(decimals);
    if fraction <= decimals {
        let missing = decimals - fraction;
        return if digits + missing <= SHORT_DIGITS { Some(value * POW10[missing]) } else { None };
    }
    let surplus = POW10[fraction - decimals];
    (value % surplus == 0).then_some(value / surplus)
}

/// The most decimals that an unlisted symbol gets: Binance writes eight.
const INFERRED_DECIMALS: u8 = 8;

/// Digits before the dot that are left free for values a thousand times the first ones.
const HEADROOM_DIGITS: usize = 3;

/// The decimals for an unlisted symbol's prices or sizes, from the values of its first frame: eight, or fewer where eight
/// would leave no room for larger values, but not fewer than the values themselves have.
pub(super) fn infer_decimals<'f>(values: impl Iterator<Item = &'f str>) -> u8 {
    let (mut whole_digits, mut needed) = (1, 0);
    for value in values {
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        whole_digits = whole_digits.max(whole.trim_start_matches(['-', '+', '0']).len());
        needed = needed.max(fraction.trim_end_matches('0').len());
    }
    let room = SHORT_DIGITS.saturating_sub(whole_digits);
    let comfortable = room.saturating_sub(HEADROOM_DIGITS).min(usize::from(INFERRED_DECIMALS));
    // `room` is at most seventeen, so it is a valid number of decimals.
    comfortable.max(needed.min(room)).min(usize::from(MAX_DECIMALS)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_inferred_with_room() {
        let infer = |values: &[&str]| infer_decimals(values.iter().copied());
        assert_eq!(infer(&["61685.99000000", "0.5"]), 8);
        assert_eq!(infer(&["1243"]), 8);
        assert_eq!(infer(&["123456789012.5"]), 3);
        assert_eq!(infer(&["0.0000000000012"]), 13);
        assert_eq!(infer(&["99999999999999999999999"]), 0);
        assert_eq!(infer(&[]), 8);
    }

    proptest! {
        #[test]
        fn the_quick_way_equals_the_exact_one(text in "[-+]?[0-9]{0,21}(\\.[0-9]{0,20})?|[0-9.]{0,24}|\\PC{0,5}", decimals in 0u8..=MAX_DECIMALS) {
            prop_assert_eq!(parse_units(text.as_bytes(), decimals), fixed::parse_units(text.as_bytes(), decimals));
        }

        #[test]
        fn inferred_decimals_hold_the_values(text in "[0-9]{1,12}(\\.[0-9]{1,6})?") {
            let decimals = infer_decimals([text.as_str()].into_iter());
            prop_assert!(parse_units(text.as_bytes(), decimals).is_ok(), "{} with {}", text, decimals);
        }
    }
}

//! Fixed-point numbers: decimal text to and from integers in units of a stated number of decimals.
//!
//! A conversion is exact or it is an error; nothing here rounds unless its name says so, and nothing wraps.

use thiserror::Error;

/// The largest number of decimals that a price, size or amount may have.
pub const MAX_DECIMALS: u8 = 18;

/// Why a decimal text is not a number of the wanted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Not an optional sign, digits, and at most one dot with digits around it.
    #[error("not a decimal number")]
    Malformed,
    /// A digit other than zero stands behind the allowed decimals.
    #[error("more decimals than the instrument has")]
    TooPrecise,
    /// Does not fit the integer.
    #[error("too large")]
    Overflow,
}

const POW10: [i128; 39] = {
    let mut table = [1i128; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// Ten to the power of `exponent` (at most 38).
pub const fn pow10(exponent: u8) -> i128 {
    POW10[exponent as usize]
}

/// The number in `text` in units of 10^-`decimals`, as `i64`.
///
/// Trailing zeros behind the allowed decimals are fine; any other digit there is [`DecimalError::TooPrecise`].
pub fn parse_units(text: &[u8], decimals: u8) -> Result<i64, DecimalError> {
    let wide = parse_units_wide(text, decimals)?;
    i64::try_from(wide).map_err(|_| DecimalError::Overflow)
}

/// As [`parse_units`], in `i128`.
pub fn parse_units_wide(text: &[u8], decimals: u8) -> Result<i128, DecimalError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value: i128 = 0;
    let mut fraction: Option<u8> = None;
    let (mut seen_whole, mut seen_fraction) = (false, false);
    for &byte in digits {
        if byte == b'.' {
            if fraction.is_some() {
                return Err(DecimalError::Malformed);
            }
            fraction = Some(0);
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(DecimalError::Malformed);
        }
        match &mut fraction {
            None => seen_whole = true,
            Some(count) => {
                seen_fraction = true;
                if *count == decimals {
                    if digit != 0 {
                        // A malformed tail is malformed, whatever stands before it.
                        let rest_is_digits = digits.iter().filter(|b| **b != b'.').all(u8::is_ascii_digit);
                        return Err(if rest_is_digits { DecimalError::TooPrecise } else { DecimalError::Malformed });
                    }
                    continue;
                }
                *count += 1;
            }
        }
        value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit))).ok_or(DecimalError::Overflow)?;
    }
    if !seen_whole || (fraction.is_some() && !seen_fraction) {
        return Err(DecimalError::Malformed);
    }
    let missing = decimals - fraction.unwrap_or(0);
    value = value.checked_mul(pow10(missing)).ok_or(DecimalError::Overflow)?;
    Ok(if negative { -value } else { value })
}

/// `units` of 10^-`decimals` as decimal text, with all its decimals.
pub fn format_units(units: i128, decimals: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let magnitude = units.unsigned_abs();
    if decimals == 0 {
        return format!("{sign}{magnitude}");
    }
    let scale = pow10(decimals).unsigned_abs();
    let (whole, fraction) = (magnitude / scale, magnitude % scale);
    format!("{sign}{whole}.{fraction:0width$}", width = decimals as usize)
}

/// Turns units of 10^-`from` into units of 10^-`to`, exactly.
pub fn rescale(units: &mut i64, from: u8, to: u8) -> Result<(), DecimalError> {
    let wide = i128::from(*units);
    let scaled = if to >= from {
        wide.checked_mul(pow10(to - from)).ok_or(DecimalError::Overflow)?
    } else if wide % pow10(from - to) == 0 {
        wide / pow10(from - to)
    } else {
        return Err(DecimalError::TooPrecise);
    };
    *units = i64::try_from(scaled).map_err(|_| DecimalError::Overflow)?;
    Ok(())
}

/// `numerator / denominator` rounded to the nearest integer, ties away from zero. `None` when `denominator` is 0 or the
/// quotient does not fit.
pub fn div_round_half_up(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let twice = remainder.unsigned_abs().checked_mul(2)?;
    if twice >= denominator.unsigned_abs() {
        let step = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
        quotient.checked_add(step)
    } else {
        Some(quotient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_what_venues_send() {
        assert_eq!(parse_units(b"61685.99000000", 2), Ok(6_168_599));
        assert_eq!(parse_units(b"0.00017000", 5), Ok(17));
        assert_eq!(parse_units(b"12", 3), Ok(12_000));
        assert_eq!(parse_units(b"-1.5", 1), Ok(-15));
        assert_eq!(parse_units(b"1.25", 1), Err(DecimalError::TooPrecise));
        assert_eq!(parse_units(b"9223372036854775808", 0), Err(DecimalError::Overflow));
        for bad in [&b""[..], b".", b"1.", b".5", b"1.2.3", b"1e5", b" 1", b"-", b"1.2x", b"1.00x"] {
            assert_eq!(parse_units(bad, 1), Err(DecimalError::Malformed), "{:?}", std::str::from_utf8(bad));
        }
    }

    #[test]
    fn rounds_half_away_from_zero() {
        for (n, d, want) in [(5, 2, 3), (-5, 2, -3), (4, 2, 2), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (5, -2, -3)] {
            assert_eq!(div_round_half_up(n, d), Some(want), "{n}/{d}");
        }
        assert_eq!(div_round_half_up(1, 0), None);
    }

    proptest! {
        #[test]
        fn text_round_trips(units in any::<i64>(), decimals in 0u8..=MAX_DECIMALS) {
            let text = format_units(i128::from(units), decimals);
            prop_assert_eq!(parse_units(text.as_bytes(), decimals), Ok(units));
        }

        #[test]
        fn any_bytes_are_a_number_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40), decimals in 0u8..=MAX_DECIMALS) {
            let _ = parse_units(&bytes, decimals);
        }
    }
}

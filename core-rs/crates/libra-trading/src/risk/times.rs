//! Money times a small factor, such as basis points, and shares of money: as `i128::checked_mul` has them, in fewer
//! multiplications.

/// `amount` times `factor`; `None` when it does not fit.
#[inline]
pub(crate) fn times(amount: i128, factor: u32) -> Option<i128> {
    // amount = high * 2^64 + low, with low from 0: neither partial product comes near the end of its type.
    let low = u128::from(amount as u64) * u128::from(factor);
    let high = i128::from((amount >> 64) as i64) * i128::from(factor) + (low >> 64) as i128;
    // The product is high * 2^64 and less than 2^64 more, so it fits exactly where high does.
    let high = i64::try_from(high).ok()?;
    Some(i128::from(high) << 64 | i128::from(low as u64))
}

/// True when `amount` is more than `bps` of `whole`: any amount above zero, where there is nothing or less. `None` when a
/// product does not fit.
#[inline]
pub(crate) fn passes_share(amount: i128, bps: u32, whole: i128) -> Option<bool> {
    // With both from 0 to below 2^95 every product fits, and most is told by what stands above their lowest 32 bits: the
    // amount is less than (high + 1) * 2^32, the whole no less than its own high part.
    if let (Ok(high), Ok(most)) = (i64::try_from(amount >> 32), i64::try_from(whole >> 32))
        && high >= 0
        && most >= 0
        && (u128::from(high as u64) + 1) * 10_000 <= u128::from(most as u64) * u128::from(bps)
    {
        return Some(false);
    }
    passes_share_exactly(amount, bps, whole)
}

#[cold]
fn passes_share_exactly(amount: i128, bps: u32, whole: i128) -> Option<bool> {
    Some(times(amount, 10_000)? > times(whole, bps)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{passes_share, times};

    #[test]
    fn the_ends_are_those_of_the_integer() {
        for factor in [0, 1, 2, 3, 9_999, 10_000, u32::MAX] {
            let wide = i128::from(factor.max(1));
            for edge in [i128::MIN, i128::MIN / wide, 0, i128::MAX / wide, i128::MAX] {
                for amount in [edge.saturating_sub(1), edge, edge.saturating_add(1)] {
                    assert_eq!(times(amount, factor), amount.checked_mul(factor.into()), "{amount} x {factor}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_the_checked_product(amount: i128, shift in 0u32..128, factor: u32) {
            let amount = amount >> shift;
            prop_assert_eq!(times(amount, factor), amount.checked_mul(factor.into()));
        }

        /// The same, and the same as products that do not fit, around the very amount that the share is.
        #[test]
        fn a_share_is_told_as_by_checked_products(
            any: i128, whole: i128, shifts in (0u32..128, 0u32..128), bps: u32, narrow: bool, beside in -2i128..3,
        ) {
            let (any, whole) = (any >> shifts.0, whole >> shifts.1);
            let bps = if narrow { bps >> 16 } else { bps };
            let share = whole.checked_mul(bps.into()).map_or(any, |product| product / 10_000);
            for amount in [any, share.saturating_add(beside)] {
                let checked = || Some(amount.checked_mul(10_000)? > whole.checked_mul(bps.into())?);
                prop_assert_eq!(passes_share(amount, bps, whole), checked(), "{} of {} at {}", amount, whole, bps);
            }
        }
    }
}

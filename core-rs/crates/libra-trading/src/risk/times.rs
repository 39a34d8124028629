//! Money times a small factor, such as basis points: the product of `i128::checked_mul`, in two multiplications.

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::times;

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
    }
}

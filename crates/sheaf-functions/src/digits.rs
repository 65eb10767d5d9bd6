//! How long the numbers of a column are: where all are short, a loop over them needs no checks.

/// The `n` for which each of `values` lies from −2ⁿ to 2ⁿ − 1. What stands in the place of NULLs
/// counts, too.
pub(crate) fn bits(values: &[i128]) -> u32 {
    let of_any = values.iter().fold(0, |all, value| all | unsigned(*value));
    u128::BITS - of_any.leading_zeros()
}

/// Like [`bits`].
pub(crate) fn bits_of_bigints(values: &[i64]) -> u32 {
    let of_any = values.iter().fold(0, |all, value| {
        all | (value ^ (value >> 63)).cast_unsigned()
    });
    u64::BITS - of_any.leading_zeros()
}

/// The value, or what lies as far below zero less one.
fn unsigned(value: i128) -> u128 {
    (value ^ (value >> 127)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_hold_every_value_and_no_fewer_do() {
        for (values, expected) in [
            (vec![], 0),
            (vec![0, -1], 0),
            (vec![1, -2], 1),
            (vec![3, 2], 2),
            (vec![-5, 1], 3),
            (vec![i64::MAX, i64::MIN], 63),
        ] {
            let wide: Vec<i128> = values.iter().copied().map(i128::from).collect();
            assert_eq!(bits(&wide), expected, "{values:?}");
            assert_eq!(bits_of_bigints(&values), expected, "{values:?}");
        }
        assert_eq!(bits(&[i128::MIN]), 127);
        assert_eq!(bits(&[1 << 64]), 65);
    }
}

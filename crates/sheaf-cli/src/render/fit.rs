//! How the columns of a box share the width of the terminal.
//!
//! Texts are shortened first, the widest before the others; numbers never are, since a shortened
//! number is a wrong one. If that is not enough, columns in the middle are left out.

/// Columns of the terminal to which a text column may be shortened before others are left out.
pub(crate) const TEXT_WIDTH_FLOOR: usize = 12;

/// What a column would like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// The width of its widest value or title.
    pub(crate) natural: usize,
    /// The width below which it must not go.
    pub(crate) floor: usize,
}

/// What the columns got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// The widths of the columns shown: those of the left half, then those of the right.
    pub(crate) widths: Vec<usize>,
    /// How many of them stand left of the gap.
    pub(crate) left: usize,
    /// How many columns are left out between left and right.
    pub(crate) elided: usize,
}

/// Frame and blanks around one column's value.
const FRAME_PER_COLUMN: usize = 3;
/// The gap column: `…` and its frame.
const GAP_WIDTH: usize = 1 + FRAME_PER_COLUMN;

/// Shares `width` among the columns; without a width each gets what it wishes.
pub(crate) fn fit(wishes: &[Wish], width: Option<usize>) -> Fit {
    let natural = || wishes.iter().map(|w| w.natural).collect();
    let Some(width) = width else {
        return Fit {
            widths: natural(),
            left: wishes.len(),
            elided: 0,
        };
    };
    let cost = |wish: &Wish| wish.floor + FRAME_PER_COLUMN;
    let budget = width.saturating_sub(1); // the last bar of the frame
    if wishes.iter().map(cost).sum::<usize>() <= budget {
        return Fit {
            widths: share(wishes, budget),
            left: wishes.len(),
            elided: 0,
        };
    }
    // From both ends inwards, as long as there is room beside the gap.
    let (mut left, mut right, mut used) = (0, 0, GAP_WIDTH);
    while left + right < wishes.len() {
        let from_left = left <= right;
        let next = if from_left {
            &wishes[left]
        } else {
            &wishes[wishes.len() - 1 - right]
        };
        if used + cost(next) > budget {
            break;
        }
        used += cost(next);
        if from_left { left += 1 } else { right += 1 }
    }
    if left == 0 {
        return only_the_first(wishes, budget);
    }
    let chosen: Vec<Wish> = wishes[..left]
        .iter()
        .chain(&wishes[wishes.len() - right..])
        .copied()
        .collect();
    Fit {
        widths: share(&chosen, budget - GAP_WIDTH),
        left,
        elided: wishes.len() - left - right,
    }
}

/// A terminal too narrow for even one column beside the gap: the first, cut to what there is.
fn only_the_first(wishes: &[Wish], budget: usize) -> Fit {
    let gap = if wishes.len() > 1 { GAP_WIDTH } else { 0 };
    let room = budget.saturating_sub(gap + FRAME_PER_COLUMN).max(1);
    Fit {
        widths: vec![wishes[0].natural.min(room)],
        left: 1,
        elided: wishes.len() - 1,
    }
}

/// Widths under one common cap, the largest with which all fit; what is left over goes to the
/// first columns that were cut.
fn share(wishes: &[Wish], budget: usize) -> Vec<usize> {
    let at_cap = |wish: &Wish, cap: usize| wish.natural.min(cap.max(wish.floor));
    let total = |cap: usize| -> usize {
        wishes
            .iter()
            .map(|w| at_cap(w, cap) + FRAME_PER_COLUMN)
            .sum()
    };
    let widest = wishes.iter().map(|w| w.natural).max().unwrap_or(0);
    let cap = (0..=widest)
        .rev()
        .find(|cap| total(*cap) <= budget)
        .unwrap_or(0);
    let mut left_over = budget.saturating_sub(total(cap));
    wishes
        .iter()
        .map(|wish| {
            let width = at_cap(wish, cap);
            let more = usize::from(width < wish.natural && left_over > 0);
            left_over -= more;
            width + more
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_shared_fairly() {
        let wish = |natural, floor| Wish { natural, floor };
        // 40 columns less the last bar, less 3 for each frame: 33 for the values.
        let wishes = [wish(30, 12), wish(10, 10)];
        assert_eq!(
            fit(&wishes, Some(40)),
            Fit {
                widths: vec![23, 10],
                left: 2,
                elided: 0
            }
        );
        // Two long texts get the same; the odd column goes to the first.
        let wishes = [wish(30, 12), wish(40, 12)];
        assert_eq!(
            fit(&wishes, Some(42)),
            Fit {
                widths: vec![18, 17],
                left: 2,
                elided: 0
            }
        );
        // Too narrow for anything: the first column, cut.
        let wishes = [wish(30, 12), wish(40, 12)];
        assert_eq!(
            fit(&wishes, Some(16)),
            Fit {
                widths: vec![8],
                left: 1,
                elided: 1
            }
        );
    }
}

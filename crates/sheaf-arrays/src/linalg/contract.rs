//! Products that sum over any axes, brought back to products of matrices.

use std::collections::VecDeque;

use sheaf_base::{Result, SheafError};

use super::{diagonal, matmul};
use crate::elementwise::{BinaryOp, binary};
use crate::grid::tuple;
use crate::reduce::{ReduceOptions, Reduction, reduce};
use crate::store::Array;
use crate::view::{axis_of, expand_dims, reshape, transpose};

/// All products of an element of the one and an element of the other: the axes of the one, then those of
/// the other.
///
/// # Errors
/// `UserInput` if there would be too many axes.
pub fn outer(left: &Array, right: &Array) -> Result<Array> {
    let flat = |array: &Array| reshape(array, &[-1]);
    let down = expand_dims(&flat(left)?, &[1])?;
    binary(
        BinaryOp::Multiply,
        &down,
        &expand_dims(&flat(right)?, &[0])?,
    )
}

/// NumPy's `dot`: the product of matrices; of more axes, the sum over the last of the one and the last
/// but one of the other.
///
/// # Errors
/// `UserInput` if the inner sizes differ.
pub fn dot(left: &Array, right: &Array) -> Result<Array> {
    match (left.rank(), right.rank()) {
        (0, _) | (_, 0) => binary(BinaryOp::Multiply, left, right),
        (1 | 2, 1 | 2) => matmul(left, right),
        (_, 1) => tensordot(left, right, &[-1], &[0]),
        _ => tensordot(left, right, &[-1], &[-2]),
    }
}

/// The sum of products over `left_axes` of the one and, in their order, `right_axes` of the other; what
/// is left of the one comes first.
///
/// # Errors
/// `UserInput` if the axes do not exist or their lengths differ.
pub fn tensordot(
    left: &Array,
    right: &Array,
    left_axes: &[i64],
    right_axes: &[i64],
) -> Result<Array> {
    let numbers = |array: &Array, axes: &[i64]| -> Result<Vec<usize>> {
        axes.iter()
            .map(|&axis| axis_of("array_tensordot", axis, array.rank()))
            .collect()
    };
    let (l, r) = (numbers(left, left_axes)?, numbers(right, right_axes)?);
    let lengths = |array: &Array, axes: &[usize]| -> Vec<u64> {
        axes.iter().map(|&axis| array.shape()[axis]).collect()
    };
    if lengths(left, &l) != lengths(right, &r) {
        return Err(SheafError::user(format!(
            "array_tensordot: axes {} of {} and {} of {} differ",
            tuple(left_axes),
            tuple(&left.shape()),
            tuple(right_axes),
            tuple(&right.shape())
        )));
    }
    let rest = |array: &Array, axes: &[usize]| -> Vec<usize> {
        (0..array.rank())
            .filter(|axis| !axes.contains(axis))
            .collect()
    };
    let (l_rest, r_rest) = (rest(left, &l), rest(right, &r));
    let a = matrix(left, &[l_rest.clone(), l.clone()])?;
    let b = matrix(right, &[r.clone(), r_rest.clone()])?;
    let shape: Vec<i64> = lengths(left, &l_rest)
        .into_iter()
        .chain(lengths(right, &r_rest))
        .map(|length| i64::try_from(length).unwrap_or(i64::MAX))
        .collect();
    reshape(&matmul(&a, &b)?, &shape)
}

/// The array with each group of axes as one.
fn matrix(array: &Array, groups: &[Vec<usize>]) -> Result<Array> {
    let order: Vec<i64> = groups
        .iter()
        .flatten()
        .map(|&axis| i64::try_from(axis).unwrap_or(0))
        .collect();
    let shape = array.shape();
    let lengths: Vec<i64> = groups
        .iter()
        .map(|group| group.iter().map(|&axis| shape[axis]).product::<u64>())
        .map(|length| i64::try_from(length).unwrap_or(i64::MAX))
        .collect();
    reshape(&transpose(array, Some(&order))?, &lengths)
}

/// An array whose axes have letters.
struct Lettered {
    array: Array,
    letters: Vec<char>,
}

/// Einstein's sums: `ij,jk->ik`, letters for axes; those that the result does not have are summed over.
/// Arrays are taken together from the left.
///
/// # Errors
/// `UserInput` for subscripts that do not fit the arrays.
pub fn einsum(subscripts: &str, arrays: &[Array]) -> Result<Array> {
    let text: String = subscripts
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), output.chars().collect()),
        None => (text.clone(), implied(&text)),
    };
    let inputs: Vec<Vec<char>> = inputs
        .split(',')
        .map(|input| input.chars().collect())
        .collect();
    check(&inputs, &output, arrays).map_err(|wrong| {
        SheafError::user(format!("array_einsum '{subscripts}': {wrong}"))
            .with_hint("write a letter for each axis: 'ij,jk->ik'")
    })?;
    let operands = inputs
        .into_iter()
        .zip(arrays)
        .map(|(letters, array)| Lettered {
            array: array.clone(),
            letters,
        });
    let mut rest: VecDeque<Lettered> = operands.collect();
    let Some(first) = rest.pop_front() else {
        return Err(SheafError::user("array_einsum: there is no array"));
    };
    let mut all = first.without_repeats()?;
    while let Some(next) = rest.pop_front() {
        let wanted = |letter: &char| {
            output.contains(letter) || rest.iter().any(|other| other.letters.contains(letter))
        };
        all = all.times(next.without_repeats()?, &wanted)?;
    }
    all.summed(&|letter| output.contains(letter))?
        .ordered(&output)
}

/// What is wrong with subscripts for these arrays.
fn check(inputs: &[Vec<char>], output: &[char], arrays: &[Array]) -> Result<(), String> {
    if inputs.len() != arrays.len() {
        return Err(format!(
            "{} subscripts for {} arrays",
            inputs.len(),
            arrays.len()
        ));
    }
    let mut lengths: Vec<(char, u64)> = Vec::new();
    for (letters, array) in inputs.iter().zip(arrays) {
        if letters.len() != array.rank() {
            let shape = tuple(&array.shape());
            return Err(format!(
                "{} letters for an array of shape {shape}",
                letters.len()
            ));
        }
        for (letter, length) in letters.iter().zip(array.shape()) {
            match lengths.iter().find(|(known, _)| known == letter) {
                _ if !letter.is_alphabetic() => return Err(format!("{letter:?} is no letter")),
                Some((_, known)) if *known != length => {
                    return Err(format!("{letter} is {known} long, and {length} long"));
                }
                Some(_) => {}
                None => lengths.push((*letter, length)),
            }
        }
    }
    let is_known = |letter: &char| lengths.iter().any(|(known, _)| known == letter);
    match output.iter().find(|letter| !is_known(letter)) {
        Some(letter) => Err(format!("{letter} is in no array")),
        None => Ok(()),
    }
}

/// The letters that are there once, in alphabetical order.
fn implied(inputs: &str) -> Vec<char> {
    let count = |letter: char| inputs.chars().filter(|other| *other == letter).count();
    let mut letters: Vec<char> = inputs
        .chars()
        .filter(|&letter| letter != ',' && count(letter) == 1)
        .collect();
    letters.sort_unstable();
    letters
}

impl Lettered {
    fn axis(&self, letter: char) -> Option<usize> {
        self.letters.iter().position(|own| *own == letter)
    }

    /// Only the diagonal of axes that have the same letter.
    fn without_repeats(mut self) -> Result<Self> {
        loop {
            let repeated = self.letters.iter().enumerate().find_map(|(first, letter)| {
                let behind = self.letters[first + 1..]
                    .iter()
                    .position(|other| other == letter)?;
                Some((first, first + 1 + behind, *letter))
            });
            let Some((first, second, letter)) = repeated else {
                return Ok(self);
            };
            let place = |axis: usize| i64::try_from(axis).unwrap_or(0);
            self.array = diagonal(&self.array, 0, place(first), place(second))?;
            self.letters.remove(second);
            self.letters.remove(first);
            self.letters.push(letter);
        }
    }

    /// Summed over the axes that nobody wants.
    fn summed(self, wanted: &dyn Fn(&char) -> bool) -> Result<Self> {
        let gone: Vec<i64> = (0..self.letters.len())
            .filter(|&axis| !wanted(&self.letters[axis]))
            .map(|axis| i64::try_from(axis).unwrap_or(0))
            .collect();
        if gone.is_empty() {
            return Ok(self);
        }
        let dtype = self.array.dtype();
        let options = ReduceOptions {
            axes: Some(gone),
            ..ReduceOptions::default()
        };
        let sum = reduce(&self.array, Reduction::Sum, &options)?;
        Ok(Self {
            array: crate::elementwise::cast(&sum, dtype),
            letters: self.letters.into_iter().filter(wanted).collect(),
        })
    }

    /// The product, summed over what nobody wants: a product of matrices for each place of the axes that
    /// both have and somebody wants.
    fn times(self, other: Lettered, wanted: &dyn Fn(&char) -> bool) -> Result<Lettered> {
        let left = {
            let others = other.letters.clone();
            self.summed(&|letter| wanted(letter) || others.contains(letter))?
        };
        let right = other.summed(&|letter| wanted(letter) || left.letters.contains(letter))?;
        let of = |keep: &dyn Fn(&char) -> bool, from: &Lettered| -> Vec<char> {
            from.letters
                .iter()
                .copied()
                .filter(|letter| keep(letter))
                .collect()
        };
        let both: Vec<char> = of(&|letter| right.letters.contains(letter), &left);
        let batch: Vec<char> = both
            .iter()
            .copied()
            .filter(|letter| wanted(letter))
            .collect();
        let inner: Vec<char> = both
            .iter()
            .copied()
            .filter(|letter| !wanted(letter))
            .collect();
        let rows = of(&|letter| !both.contains(letter), &left);
        let columns = of(&|letter| !both.contains(letter), &right);
        let groups = |from: &Lettered, groups: [&[char]; 3]| -> Result<Array> {
            let axes = groups.map(|group| {
                group
                    .iter()
                    .filter_map(|letter| from.axis(*letter))
                    .collect::<Vec<usize>>()
            });
            matrix(&from.array, &axes)
        };
        let a = groups(&left, [&batch, &rows, &inner])?;
        let b = groups(&right, [&batch, &inner, &columns])?;
        let product = matmul(&a, &b)?;
        let letters: Vec<char> = [batch, rows, columns].concat();
        let length = |letter: &char| {
            let own = left.axis(*letter).map(|axis| left.array.shape()[axis]);
            own.or_else(|| right.axis(*letter).map(|axis| right.array.shape()[axis]))
        };
        let shape: Vec<i64> = letters
            .iter()
            .filter_map(length)
            .map(|length| i64::try_from(length).unwrap_or(i64::MAX))
            .collect();
        Ok(Lettered {
            array: reshape(&product, &shape)?,
            letters,
        })
    }

    /// The axes in the order of the result.
    fn ordered(self, output: &[char]) -> Result<Array> {
        let order: Vec<i64> = output
            .iter()
            .filter_map(|letter| self.axis(*letter))
            .map(|axis| i64::try_from(axis).unwrap_or(0))
            .collect();
        transpose(&self.array, Some(&order))
    }
}

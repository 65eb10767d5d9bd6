//! Systems of equations: triangles of square matrices, in memory.
//!
//! The matrix is factored block of columns by block of columns; what stands to the right and below is
//! then reduced by products of matrices, strips of rows on several threads.

use std::sync::Arc;

use num_complex::Complex;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};

use super::dense::Finite;
use super::field::Field;
use super::gemm::{Factor, Target};
use super::orthogonal::as_matrix;
use crate::context::{Context, Hold, next_number};
use crate::dtype::Class;
use crate::elementwise::cast;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::source::eye;
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::squeeze;

/// Columns that are factored at a time.
const BLOCK: usize = 64;

/// A square matrix, row by row.
struct Square<T> {
    /// What errors are of.
    operation: &'static str,
    side: usize,
    elements: Vec<T>,
}

/// A result that is computed as a whole, once for a context.
#[derive(Debug)]
struct Whole {
    number: u64,
    grid: Grid,
    task: Task,
}

#[derive(Debug)]
enum Task {
    Cholesky(Array),
    /// In the name of an operation.
    Solve(&'static str, Array, Array),
}

#[derive(Default)]
struct Kept(Mutex<Option<(Tensor, Arc<Hold>)>>);

/// The lower triangle whose product with its transpose, of complex numbers its conjugate transpose, is
/// `source`. Of that only the lower triangle is read, and of its diagonal the real parts.
///
/// # Memory
/// Twice the matrix.
/// # Errors
/// `UserInput` if it is not square. Reading gives `Data` if it is not positive definite, or holds NaN or
/// infinity.
pub fn cholesky(source: &Array) -> Result<Array> {
    square("array_cholesky", source)?;
    let dtype = source.dtype().to_inexact();
    let grid = Grid::irregular(&source.grid().all_sizes(), dtype)?;
    Ok(whole(grid, Task::Cholesky(cast(source, dtype))))
}

/// `x` for which `a · x` is `b`, a vector or a matrix of columns.
///
/// # Memory
/// Twice `a` and `b`.
/// # Errors
/// `UserInput` if `a` is not square or `b` has not as many rows. Reading gives `Data` if `a` is singular, or
/// holds NaN or infinity.
pub fn solve(a: &Array, b: &Array) -> Result<Array> {
    solved("array_solve", a, b)
}

fn solved(operation: &'static str, a: &Array, b: &Array) -> Result<Array> {
    square(operation, a)?;
    if b.rank() == 0 || b.rank() > 2 || b.shape()[0] != a.shape()[0] {
        return Err(SheafError::user(format!(
            "{operation}: rows differ: {} and {}",
            tuple(&a.shape()),
            tuple(&b.shape())
        )));
    }
    let dtype = a.dtype().to_inexact().promote(b.dtype().to_inexact());
    let columns = as_matrix(b)?;
    let grid = Grid::irregular(&columns.grid().all_sizes(), dtype)?;
    let task = Task::Solve(operation, cast(a, dtype), cast(&columns, dtype));
    let result = whole(grid, task);
    if b.rank() == 1 {
        squeeze(&result, Some(&[1]))
    } else {
        Ok(result)
    }
}

/// The inverse of a square matrix.
///
/// # Errors
/// As [`solve`].
pub fn inverse(source: &Array) -> Result<Array> {
    square("array_inverse", source)?;
    let dtype = source.dtype().to_inexact();
    let grid = Grid::irregular(&source.grid().all_sizes(), dtype)?;
    solved("array_inverse", source, &eye(grid, 0)?)
}

fn square(operation: &str, source: &Array) -> Result<()> {
    let shape = source.shape();
    match shape.as_slice() {
        [rows, columns] if rows == columns => Ok(()),
        _ => Err(SheafError::user(format!(
            "{operation}: a square matrix is needed: the shape is {}",
            tuple(&shape)
        ))),
    }
}

fn whole(grid: Grid, task: Task) -> Array {
    Array::new(Whole {
        number: next_number(),
        grid,
        task,
    })
}

impl ChunkStore for Whole {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let kept = context.kept::<Kept>(self.number);
        let mut kept = kept.0.lock();
        let all = match &*kept {
            Some((all, _)) => all.clone(),
            None => {
                let (all, hold) = match self.grid.dtype().class() {
                    Class::Complex => self.compute::<Complex<f64>>(context)?,
                    _ => self.compute::<f64>(context)?,
                };
                kept.insert((all, Arc::new(hold))).0.clone()
            }
        };
        drop(kept);
        let strides: Vec<Stride> = region
            .start
            .iter()
            .zip(&region.shape)
            .map(|(&start, &length)| Stride {
                start: to_usize(start),
                length,
                step: 1,
            })
            .collect();
        all.slice(&strides).cast(self.grid.dtype(), context)
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl Whole {
    fn compute<T: Field>(&self, context: &Context) -> Result<(Tensor, Hold)> {
        match &self.task {
            Task::Cholesky(source) => {
                let (elements, shape, hold) = load::<T>(source, context)?;
                let mut matrix = Square {
                    operation: "array_cholesky",
                    side: shape[0],
                    elements,
                };
                matrix.check(|row, column| column <= row)?;
                matrix.cholesky(context)?;
                Ok((Tensor::from_vec(&shape, matrix.elements)?, hold))
            }
            Task::Solve(operation, a, b) => {
                let (elements, shape, _held) = load::<T>(a, context)?;
                let mut matrix = Square {
                    operation,
                    side: shape[0],
                    elements,
                };
                matrix.check(|_, _| true)?;
                let (mut columns, shape, hold) = load(b, context)?;
                let order = matrix.triangles(context)?;
                matrix.substitute(&order, &mut columns, shape[1]);
                Ok((Tensor::from_vec(&shape, columns)?, hold))
            }
        }
    }
}

/// All elements in row-major order.
fn load<T: Field>(source: &Array, context: &Context) -> Result<(Vec<T>, Vec<usize>, Hold)> {
    let region = source.grid().whole();
    let hold = context.hold(region.elements() * size_of::<T>(), "a whole matrix")?;
    let block = source.load(context)?.contiguous(context)?;
    let mut elements = vec![T::default(); region.elements()];
    block.load(0, &mut elements);
    Ok((elements, region.shape, hold))
}

impl<T: Field> Square<T> {
    fn at(&self, row: usize, column: usize) -> T {
        self.elements[row * self.side + column]
    }

    /// Sees that the elements that are used are finite.
    fn check(&self, is_used: impl Fn(usize, usize) -> bool) -> Result<()> {
        let place = |at: usize| (at / self.side, at % self.side);
        let wrong = self.elements.iter().enumerate().find(|(at, value)| {
            let (row, column) = place(*at);
            !value.is_finite() && is_used(row, column)
        });
        match wrong {
            None => Ok(()),
            Some((at, value)) => {
                let (row, column) = place(at);
                let at = [row as u64, column as u64];
                Err(Finite::of(self.operation).refusal(*value, at))
            }
        }
    }

    /// Replaces the matrix by the lower triangle whose product with its conjugate transpose it is.
    fn cholesky(&mut self, context: &Context) -> Result<()> {
        let side = self.side;
        for first in (0..side).step_by(BLOCK) {
            context.check()?;
            let end = (first + BLOCK).min(side);
            for row in first..side {
                for column in first..end.min(row + 1) {
                    let dot: T = (first..column)
                        .map(|at| self.at(row, at) * self.at(column, at).conjugate())
                        .sum();
                    let rest = self.at(row, column) - dot;
                    let value = if row == column {
                        let rest = rest.real();
                        if rest.is_nan() || rest <= 0.0 {
                            return Err(SheafError::data(format!(
                                "{}: the matrix is not positive definite: row {row}",
                                self.operation
                            )));
                        }
                        T::widen(rest.sqrt())
                    } else {
                        rest / self.at(column, column).real()
                    };
                    self.elements[row * side + column] = value;
                }
            }
            let below = self.copy(end..side, first..end);
            let turned = T::conjugates(&below);
            let across = Factor {
                elements: &turned,
                row_step: 1,
                column_step: end - first,
            };
            self.reduce(end, &below, across, end - first, context);
        }
        for row in 0..side {
            self.elements[row * side + row + 1..(row + 1) * side].fill(T::default());
        }
        Ok(())
    }

    /// Replaces the matrix by a lower triangle with ones on its diagonal and an upper one, whose product
    /// is the matrix with its rows in the order that is given back.
    fn triangles(&mut self, context: &Context) -> Result<Vec<usize>> {
        let side = self.side;
        let mut order: Vec<usize> = (0..side).collect();
        for first in (0..side).step_by(BLOCK) {
            context.check()?;
            let end = (first + BLOCK).min(side);
            for column in first..end {
                self.pivot(column, end, &mut order)?;
            }
            // The rows of the block, right of it.
            for row in first..end {
                for above in first..row {
                    let factor = self.at(row, above);
                    let (before, behind) = self.elements.split_at_mut(row * side);
                    let from = &before[above * side + end..(above + 1) * side];
                    let into = &mut behind[end..side];
                    into.iter_mut()
                        .zip(from)
                        .for_each(|(to, from)| *to -= factor * *from);
                }
            }
            let below = self.copy(end..side, first..end);
            let right = self.copy(first..end, end..side);
            let across = Factor {
                elements: &right,
                row_step: side - end,
                column_step: 1,
            };
            self.reduce(end, &below, across, end - first, context);
        }
        Ok(order)
    }

    /// Brings the largest element of a column to the diagonal and clears what is below, up to column
    /// `end`.
    fn pivot(&mut self, column: usize, end: usize, order: &mut [usize]) -> Result<()> {
        let side = self.side;
        let size = |row: usize| self.at(row, column).size();
        let largest = (column..side).max_by(|&a, &b| size(a).total_cmp(&size(b)));
        let largest = largest.filter(|&row| size(row) > 0.0).ok_or_else(|| {
            SheafError::data(format!(
                "{}: the matrix is singular: column {column}",
                self.operation
            ))
        })?;
        if largest != column {
            order.swap(largest, column);
            let (before, behind) = self.elements.split_at_mut(largest * side);
            before[column * side..(column + 1) * side].swap_with_slice(&mut behind[..side]);
        }
        let (before, behind) = self.elements.split_at_mut((column + 1) * side);
        let pivot = &before[column * side..];
        for row in behind.chunks_mut(side) {
            let factor = row[column].over(pivot[column]);
            row[column] = factor;
            let right = row[column + 1..end].iter_mut().zip(&pivot[column + 1..end]);
            right.for_each(|(to, from)| *to -= factor * *from);
        }
        Ok(())
    }

    /// Takes the product of `below` and `across` off what stands from row and column `end` on.
    fn reduce(
        &mut self,
        end: usize,
        below: &[T],
        across: Factor<'_, T>,
        inner: usize,
        context: &Context,
    ) {
        let side = self.side;
        let rows = side - end;
        if rows == 0 {
            return;
        }
        let negative: Vec<T> = below.iter().map(|value| -*value).collect();
        let strip = rows.div_ceil(context.threads()).max(BLOCK);
        let strips = self.elements[end * side..].chunks_mut(strip * side);
        std::thread::scope(|scope| {
            for (elements, left) in strips.zip(negative.chunks(strip * inner)) {
                scope.spawn(move || {
                    let left = Factor {
                        elements: left,
                        row_step: inner,
                        column_step: 1,
                    };
                    let mut target = Target {
                        rows: elements.len() / side,
                        columns: rows,
                        row_step: side,
                        elements: &mut elements[end..],
                    };
                    T::multiply(left, across, inner, &mut target);
                });
            }
        });
    }

    fn copy(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Vec<T> {
        let mut part = Vec::with_capacity(rows.len() * columns.len());
        for row in rows {
            part.extend_from_slice(
                &self.elements[row * self.side + columns.start..row * self.side + columns.end],
            );
        }
        part
    }

    /// Solves for columns, which stand row by row, with both triangles.
    fn substitute(&self, order: &[usize], columns: &mut Vec<T>, width: usize) {
        let mut ordered = Vec::with_capacity(columns.len());
        for &row in order {
            ordered.extend_from_slice(&columns[row * width..(row + 1) * width]);
        }
        for row in 0..self.side {
            for above in 0..row {
                take_off(&mut ordered, row, above, self.at(row, above), width);
            }
        }
        for row in (0..self.side).rev() {
            for below in row + 1..self.side {
                take_off(&mut ordered, row, below, self.at(row, below), width);
            }
            let diagonal = self.at(row, row);
            ordered[row * width..(row + 1) * width]
                .iter_mut()
                .for_each(|value| *value = value.over(diagonal));
        }
        *columns = ordered;
    }
}

/// Takes `factor` times one row off another.
fn take_off<T: Field>(rows: &mut [T], row: usize, other: usize, factor: T, width: usize) {
    if factor == T::default() || row == other {
        return;
    }
    let (low, high) = (row.min(other), row.max(other));
    let (before, behind) = rows.split_at_mut(high * width);
    let (low, high) = (
        &mut before[low * width..(low + 1) * width],
        &mut behind[..width],
    );
    let (into, from) = if row < other {
        (low, high)
    } else {
        (high, low)
    };
    into.iter_mut()
        .zip(from.iter())
        .for_each(|(to, from)| *to -= factor * *from);
}

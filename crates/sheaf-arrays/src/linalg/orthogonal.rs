//! QR factors, singular values, and what is made of them.
//!
//! A tall matrix is factored block of rows by block of rows, and the triangles of the blocks, one above
//! the other, once more (Demmel, Grigori, Hoemmen, Langou: Communication-optimal parallel and sequential
//! QR and LU factorizations, SIAM J. Sci. Comput. 34, 2012). The orthogonal factor is not kept: reading a
//! part of it factors the blocks that it lies in again.

use std::sync::Arc;

use num_complex::Complex;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};

use super::dense::{Columns, Finite, Reflected, identity, singular_values};
use super::field::Field;
use super::matmul;
use crate::context::{Context, Hold, next_number};
use crate::dtype::{Class, DType, Scalar};
use crate::elementwise::{BinaryOp, UnaryOp, binary, cast, select, unary};
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::source::{Distribution, full, random};
use crate::stats::part;
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::{expand_dims, reshape, shelved, transpose};

/// Rows of a block where a matrix may be read in any boxes.
const BLOCK_ROWS: u64 = 2048;

/// A matrix and its factors: the one is `left · right`.
#[derive(Debug, Clone)]
pub struct Qr {
    /// Columns at right angles to each other, each of length 1.
    pub q: Array,
    /// An upper triangle.
    pub r: Array,
}

/// A matrix is `u · diagonal(s) · vt`. The singular values are real.
#[derive(Debug, Clone)]
pub struct Svd {
    /// Columns at right angles to each other, each of length 1.
    pub u: Array,
    /// The singular values, from the largest on.
    pub s: Array,
    /// Rows at right angles to each other, each of length 1.
    pub vt: Array,
}

/// What is known of a matrix once it has been factored.
struct Factored<T> {
    /// The triangles of the blocks, one above the other, factored.
    top: Reflected<T>,
    triangle: Columns<T>,
    /// Singular values and vectors of the triangle, once they are needed.
    singular: Mutex<Option<Arc<Singular<T>>>>,
    _held: Hold,
}

/// Left vectors, values and right vectors.
type Singular<T> = (Columns<T>, Vec<f64>, Columns<T>);

#[derive(Default)]
struct Kept<T>(Mutex<Option<Arc<Factored<T>>>>);

/// A matrix that is factored.
#[derive(Debug)]
struct Tall {
    number: u64,
    source: Array,
    rows: u64,
    columns: usize,
    block_rows: u64,
    /// The operation that takes finite elements only, if it is such.
    finite: Option<Finite>,
}

/// Which factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Q,
    R,
    U,
    S,
    Vt,
}

#[derive(Debug)]
struct Factor {
    grid: Grid,
    tall: Arc<Tall>,
    part: Part,
}

/// The QR factors of a matrix: `q` with as many columns as the matrix has rows or columns, whichever are
/// fewer.
///
/// # Memory
/// A block of rows for each thread, and a triangle for each block.
/// # Errors
/// `UserInput` if there are not two axes. Of NaN and infinity there is NaN.
pub fn qr(source: &Array) -> Result<Qr> {
    let tall = Tall::of("array_qr", source, None)?;
    let [rows, columns] = [tall.rows, tall.columns as u64];
    let count = rows.min(columns);
    Ok(Qr {
        q: tall.factor(Part::Q, &[rows, count])?,
        r: tall.factor(Part::R, &[count, columns])?,
    })
}

/// The singular values and vectors of a matrix.
///
/// # Memory
/// As [`qr`], and three matrices of the shorter side.
/// # Errors
/// As [`qr`]; reading gives `Data` if the matrix holds NaN or infinity.
pub fn svd(source: &Array) -> Result<Svd> {
    decomposed(source, Finite::of("array_svd"))
}

fn decomposed(source: &Array, finite: Finite) -> Result<Svd> {
    let shape = source.shape();
    if shape.len() == 2 && shape[0] < shape[1] {
        let turned = decomposed(&transpose(source, None)?, finite.turned())?;
        return Ok(Svd {
            u: transpose(&turned.vt, None)?,
            s: turned.s,
            vt: transpose(&turned.u, None)?,
        });
    }
    let tall = Tall::of(finite.operation(), source, Some(finite))?;
    let [rows, columns] = [tall.rows, tall.columns as u64];
    Ok(Svd {
        u: tall.factor(Part::U, &[rows, columns])?,
        s: tall.factor(Part::S, &[columns])?,
        vt: tall.factor(Part::Vt, &[columns, columns])?,
    })
}

/// Passes of [`svd_compressed`]: after some, values as small as rounding are gone.
const ITERATIONS_MAX: u32 = 100;

/// The `count` largest singular values and their vectors, approximately: of the matrix as random vectors
/// show it, after `iterations` passes that make small values smaller (Halko, Martinsson, Tropp: Finding
/// structure with randomness, SIAM Review 53, 2011).
///
/// # Errors
/// As [`svd()`]; `UserInput` if there are not so many, or more passes than 100.
pub fn svd_compressed(source: &Array, count: u64, iterations: u32, seed: u64) -> Result<Svd> {
    let shape = source.shape();
    if shape.len() != 2 || count > shape[0].min(shape[1]) {
        return Err(SheafError::user(format!(
            "array_svd_compressed: there are not {count} singular values of an array of shape {}",
            tuple(&shape)
        )));
    }
    if iterations > ITERATIONS_MAX {
        return Err(SheafError::user(format!(
            "array_svd_compressed: there are at most {ITERATIONS_MAX} iterations, not {iterations}"
        )));
    }
    let source = shelved(&cast(source, source.dtype().to_inexact()));
    let turned = adjoint(&source)?;
    let seen = (count + 10).min(shape[0].min(shape[1]));
    let normal = Distribution::Normal {
        mean: 0.0,
        deviation: 1.0,
    };
    let vectors = random(
        Grid::automatic(&[shape[1], seen], source.dtype())?,
        normal,
        seed,
    )?;
    let mut basis = qr(&matmul(&source, &vectors)?)?.q;
    for _ in 0..iterations {
        let back = qr(&matmul(&turned, &basis)?)?.q;
        basis = qr(&matmul(&source, &back)?)?.q;
    }
    let basis = shelved(&basis);
    let finite = Finite::of("array_svd_compressed").of_product();
    let small = decomposed(&matmul(&adjoint(&basis)?, &source)?, finite)?;
    let first = i64::try_from(count).unwrap_or(i64::MAX);
    Ok(Svd {
        u: part(&matmul(&basis, &small.u)?, 1, None, Some(first))?,
        s: part(&small.s, 0, None, Some(first))?,
        vt: part(&small.vt, 0, None, Some(first))?,
    })
}

/// The shortest `x` for which `a · x` comes nearest to `b`, a vector or a matrix of columns. Singular
/// values below the largest by the precision times the longer side count as 0.
///
/// # Errors
/// `UserInput` if `b` has not as many rows; else as [`svd()`].
pub fn lstsq(a: &Array, b: &Array) -> Result<Array> {
    let shape = a.shape();
    if shape.len() != 2 || b.rank() == 0 || b.rank() > 2 || b.shape()[0] != shape[0] {
        return Err(SheafError::user(format!(
            "array_lstsq: rows differ: {} and {}",
            tuple(&shape),
            tuple(&b.shape())
        )));
    }
    let dtype = a.dtype().to_inexact().promote(b.dtype().to_inexact());
    // A real matrix is factored as such, whatever `b` is.
    let dtype = match a.dtype().class() {
        Class::Complex => dtype,
        _ => dtype.to_real(),
    };
    let Svd { u, s, vt } = decomposed(&cast(a, dtype), Finite::of("array_lstsq"))?;
    let largest = part(&s, 0, None, Some(1))?;
    let precision = if s.dtype() == DType::Float32 {
        f64::from(f32::EPSILON)
    } else {
        f64::EPSILON
    };
    let least = precision * shape[0].max(shape[1]) as f64;
    let least = scalar(least, s.dtype())?;
    let counts = binary(
        BinaryOp::Greater,
        &s,
        &binary(BinaryOp::Multiply, &largest, &least)?,
    )?;
    let inverse = select(
        &counts,
        &unary(UnaryOp::Reciprocal, &s)?,
        &scalar(0.0, s.dtype())?,
    )?;
    let along = matmul(&adjoint(&u)?, b)?;
    let inverse = if b.rank() == 2 {
        expand_dims(&inverse, &[1])?
    } else {
        inverse
    };
    matmul(
        &adjoint(&vt)?,
        &binary(BinaryOp::Multiply, &inverse, &along)?,
    )
}

fn scalar(value: f64, dtype: DType) -> Result<Array> {
    Ok(full(Grid::regular(&[], &[], dtype)?, Scalar::Float(value)))
}

/// Rows and columns exchanged, of conjugates.
fn adjoint(matrix: &Array) -> Result<Array> {
    let turned = transpose(matrix, None)?;
    match matrix.dtype().class() {
        Class::Complex => unary(UnaryOp::Conj, &turned),
        _ => Ok(turned),
    }
}

impl Tall {
    fn of(operation: &str, source: &Array, finite: Option<Finite>) -> Result<Arc<Self>> {
        let [rows, columns] = source.shape()[..] else {
            return Err(SheafError::user(format!(
                "{operation}: a matrix has two axes: the shape is {}",
                tuple(&source.shape())
            )));
        };
        let chunk_rows = match source.cost() {
            Cost::Elements => BLOCK_ROWS,
            _ => source.grid().chunk_max()[0],
        };
        Ok(Arc::new(Self {
            number: next_number(),
            source: shelved(&cast(source, source.dtype().to_inexact())),
            rows,
            columns: to_usize(columns),
            block_rows: chunk_rows.max(columns).max(1),
            finite,
        }))
    }

    fn factor(self: &Arc<Self>, part: Part, shape: &[u64]) -> Result<Array> {
        let dtype = match part {
            Part::S => self.source.dtype().to_real(),
            _ => self.source.dtype(),
        };
        let mut chunk: Vec<u64> = shape.iter().map(|&length| length.max(1)).collect();
        if matches!(part, Part::Q | Part::U) {
            chunk[0] = self.source.grid().chunk_max()[0].max(1);
        }
        Ok(Array::new(Factor {
            grid: Grid::regular(shape, &chunk, dtype)?,
            tall: Arc::clone(self),
            part,
        }))
    }

    fn blocks(&self) -> Vec<Region> {
        self.source
            .grid()
            .whole()
            .split(0, to_usize(self.block_rows))
    }

    /// Reads and factors a block of rows.
    fn block<T: Field>(&self, region: &Region, context: &Context) -> Result<(Reflected<T>, Hold)> {
        let hold = context.hold(
            region.elements().saturating_mul(3 * size_of::<T>()),
            "a block of rows of a matrix",
        )?;
        let block = self.source.read(region, context)?.contiguous(context)?;
        let mut elements = vec![T::default(); block.elements()];
        block.load(0, &mut elements);
        if let Some(finite) = self.finite
            && let Some(at) = elements.iter().position(|value| !value.is_finite())
        {
            let row = region.start[0] + (at / self.columns) as u64;
            return Err(finite.refusal(elements[at], [row, (at % self.columns) as u64]));
        }
        let matrix = Columns::of_rows(region.shape[0], self.columns, &elements);
        Ok((Reflected::of(matrix), hold))
    }

    fn factored<T: Field>(&self, context: &Context) -> Result<Arc<Factored<T>>> {
        let kept = context.kept::<Kept<T>>(self.number);
        let mut kept = kept.0.lock();
        if let Some(factored) = &*kept {
            return Ok(Arc::clone(factored));
        }
        let blocks = self.blocks();
        let bytes = blocks
            .first()
            .map_or(0, Region::elements)
            .saturating_mul(4 * size_of::<T>());
        let triangle = self.columns.saturating_mul(self.columns);
        let triangles = triangle.saturating_mul(size_of::<T>() * blocks.len());
        let held = context.hold(
            triangles.saturating_mul(3),
            "the triangles of a matrix's blocks",
        )?;
        let parts = context.all(blocks.len(), bytes, |number, context| {
            let (block, _held) = self.block::<T>(&blocks[number], context)?;
            Ok(block.triangle())
        })?;
        let rows = parts.iter().map(|part| part.rows).sum();
        let mut stacked = Columns::<T>::zeros(rows, self.columns);
        let mut first = 0;
        for part in &parts {
            for column in 0..self.columns {
                stacked.column_mut(column)[first..first + part.rows]
                    .copy_from_slice(part.column(column));
            }
            first += part.rows;
        }
        let top = Reflected::of(stacked);
        let triangle = top.triangle();
        let factored = Factored {
            top,
            triangle,
            singular: Mutex::new(None),
            _held: held,
        };
        Ok(Arc::clone(kept.insert(Arc::new(factored))))
    }

    /// Rows of the orthogonal factor, times `right` if given.
    fn rows<T: Field>(
        &self,
        region: &Region,
        factored: &Factored<T>,
        right: Option<&Columns<T>>,
        context: &Context,
    ) -> Result<Tensor> {
        let small = match right {
            Some(right) => factored.top.apply(right),
            None => factored.top.apply(&identity(factored.top.count())),
        };
        let width = small.columns;
        let (first, end) = (region.start[0], region.start[0] + region.shape[0] as u64);
        let mut elements = Vec::with_capacity(region.shape[0] * width);
        let mut above = 0;
        for block in self.blocks() {
            let rows = block.shape[0].min(self.columns);
            let (start, stop) = (block.start[0], block.start[0] + block.shape[0] as u64);
            if start < end && first < stop {
                let (reflected, _held) = self.block::<T>(&block, context)?;
                let whole = reflected.apply(&small.rows_between(above, above + rows));
                let from = to_usize(first.max(start) - start);
                let to = to_usize(end.min(stop) - start);
                elements.extend(whole.rows_between(from, to).to_rows());
            }
            above += rows;
        }
        Tensor::from_vec(&[region.shape[0], width], elements)
    }
}

impl ChunkStore for Factor {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        match self.tall.source.dtype().class() {
            Class::Complex => self.read_as::<Complex<f64>>(region, context),
            _ => self.read_as::<f64>(region, context),
        }
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl Factor {
    fn read_as<T: Field>(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let factored = self.tall.factored::<T>(context)?;
        let of = |matrix: &Columns<T>| {
            Tensor::from_vec(&[matrix.rows, matrix.columns], matrix.to_rows())
        };
        let singular = || {
            let mut kept = factored.singular.lock();
            Arc::clone(
                kept.get_or_insert_with(|| Arc::new(singular_values(factored.triangle.clone()))),
            )
        };
        let rows = region.elements() * size_of::<T>();
        let _held = context.hold(rows, "rows of a factor")?;
        let (all, first) = match self.part {
            Part::R => (of(&factored.triangle)?, region.start[0]),
            Part::Q => (self.tall.rows(region, &factored, None, context)?, 0),
            Part::U => {
                let singular = singular();
                (
                    self.tall
                        .rows(region, &factored, Some(&singular.0), context)?,
                    0,
                )
            }
            Part::S => {
                let values = singular().1.clone();
                (Tensor::from_vec(&[values.len()], values)?, region.start[0])
            }
            Part::Vt => (of(&singular().2.adjoint())?, region.start[0]),
        };
        let starts = std::iter::once(first).chain(region.start.iter().skip(1).copied());
        let strides: Vec<Stride> = starts
            .zip(&region.shape)
            .map(|(start, &length)| Stride {
                start: to_usize(start),
                length,
                step: 1,
            })
            .collect();
        all.slice(&strides).cast(self.grid.dtype(), context)
    }
}

/// Rows as a matrix of one column, for what takes matrices only.
pub(super) fn as_matrix(array: &Array) -> Result<Array> {
    match array.rank() {
        1 => reshape(array, &[-1, 1]),
        _ => Ok(array.clone()),
    }
}

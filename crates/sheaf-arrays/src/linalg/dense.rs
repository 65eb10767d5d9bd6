//! Matrices in memory, in double precision: QR by reflections, singular values by rotations.

use std::fmt::Display;

use sheaf_base::SheafError;

use super::field::Field;

/// A matrix whose columns stand one behind the other.
#[derive(Debug, Clone)]
pub(super) struct Columns<T> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) elements: Vec<T>,
}

/// An operation that has no result of matrices with NaN or infinity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finite {
    operation: &'static str,
    /// What positions along both axes are called; not told if it is no matrix of the user's.
    axes: Option<[&'static str; 2]>,
}

/// A matrix as reflections and what they leave.
#[derive(Debug, Clone)]
pub(super) struct Reflected<T> {
    /// Below the diagonal the reflections' vectors, on it and above the triangle.
    matrix: Columns<T>,
    /// The factor of each reflection.
    factors: Vec<T>,
}

/// Sweeps over all pairs of columns after which rotations are given up: they converge in about ten.
const SWEEPS_MAX: usize = 60;

impl<T: Field> Columns<T> {
    /// A matrix of zeros.
    pub(super) fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            elements: vec![T::default(); rows * columns],
        }
    }

    /// A matrix of elements in row-major order.
    pub(super) fn of_rows(rows: usize, columns: usize, elements: &[T]) -> Self {
        let mut matrix = Self::zeros(rows, columns);
        for row in 0..rows {
            for column in 0..columns {
                matrix.elements[column * rows + row] = elements[row * columns + column];
            }
        }
        matrix
    }

    /// The elements in row-major order.
    pub(super) fn to_rows(&self) -> Vec<T> {
        let mut elements = Vec::with_capacity(self.elements.len());
        for row in 0..self.rows {
            elements.extend((0..self.columns).map(|column| self.at(row, column)));
        }
        elements
    }

    pub(super) fn at(&self, row: usize, column: usize) -> T {
        self.elements[column * self.rows + row]
    }

    pub(super) fn column(&self, column: usize) -> &[T] {
        &self.elements[column * self.rows..(column + 1) * self.rows]
    }

    pub(super) fn column_mut(&mut self, column: usize) -> &mut [T] {
        &mut self.elements[column * self.rows..(column + 1) * self.rows]
    }

    /// Rows and columns exchanged, of conjugates.
    pub(super) fn adjoint(&self) -> Self {
        let elements = self.to_rows();
        Self {
            rows: self.columns,
            columns: self.rows,
            elements: elements.into_iter().map(T::conjugate).collect(),
        }
    }

    /// Rows `first` to before `end`.
    pub(super) fn rows_between(&self, first: usize, end: usize) -> Self {
        let mut part = Self::zeros(end - first, self.columns);
        for column in 0..self.columns {
            part.column_mut(column)
                .copy_from_slice(&self.column(column)[first..end]);
        }
        part
    }
}

impl Finite {
    /// An operation on the rows and columns of a matrix.
    pub(super) fn of(operation: &'static str) -> Self {
        Self {
            operation,
            axes: Some(["row", "column"]),
        }
    }

    /// Its name.
    pub(super) fn operation(self) -> &'static str {
        self.operation
    }

    /// The same on the transpose of the matrix.
    pub(super) fn turned(self) -> Self {
        let axes = self.axes.map(|[first, second]| [second, first]);
        Self { axes, ..self }
    }

    /// The same on a product of the matrix.
    pub(super) fn of_product(self) -> Self {
        Self { axes: None, ..self }
    }

    /// That `value` stands at these positions along both axes.
    pub(super) fn refusal(self, value: impl Display, at: [u64; 2]) -> SheafError {
        let operation = self.operation;
        let message = match self.axes {
            Some([first, second]) => format!(
                "{operation}: the matrix holds {value}: {first} {}, {second} {}",
                at[0], at[1]
            ),
            None => format!(
                "{operation}: the matrix holds NaN or infinity, or numbers too large to be multiplied"
            ),
        };
        SheafError::data(message)
            .with_hint("array_where(array_isfinite(a), a, 0) has another number in such places")
    }
}

/// `into += factor · from`.
fn add_scaled<T: Field>(into: &mut [T], from: &[T], factor: T) {
    for (value, add) in into.iter_mut().zip(from) {
        *value += factor * *add;
    }
}

/// The product of the conjugates of a vector with another, as eight sums that the machine adds up at once.
fn product_of<T: Field>(left: &[T], right: &[T]) -> T {
    let mut sums = [T::default(); 8];
    let (lefts, rights) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest: T = lefts
        .remainder()
        .iter()
        .zip(rights.remainder())
        .map(|(l, r)| l.conjugate() * *r)
        .sum();
    for (l, r) in lefts.zip(rights) {
        for ((sum, l), r) in sums.iter_mut().zip(l).zip(r) {
            *sum += l.conjugate() * *r;
        }
    }
    sums.into_iter().sum::<T>() + rest
}

/// The Euclidean norm, scaled so that squares neither overflow nor vanish; NaN if an element is.
fn norm_of<T: Field>(values: &[T]) -> f64 {
    let largest = largest_of(values);
    if largest == 0.0 || !largest.is_finite() {
        // The largest is found among those that are numbers.
        return match values.iter().any(|value| value.norm_square().is_nan()) {
            true => f64::NAN,
            false => largest,
        };
    }
    let scaled: f64 = values
        .iter()
        .map(|value| (*value / largest).norm_square())
        .sum();
    largest * scaled.sqrt()
}

/// The largest magnitude of those that are numbers.
fn largest_of<T: Field>(values: &[T]) -> f64 {
    values
        .iter()
        .fold(0.0, |largest: f64, value| largest.max(value.modulus()))
}

impl<T: Field> Reflected<T> {
    /// Reflects the columns of `matrix` one after the other (Householder, J. ACM 5, 1958). What comes to the
    /// diagonal is real, as LAPACK has it.
    pub(super) fn of(matrix: Columns<T>) -> Self {
        let mut matrix = matrix;
        let count = matrix.rows.min(matrix.columns);
        let mut factors = Vec::with_capacity(count);
        for at in 0..count {
            let (before, behind) = matrix.elements.split_at_mut((at + 1) * matrix.rows);
            let vector = &mut before[at * matrix.rows + at..];
            let norm = norm_of(vector);
            if norm == 0.0 {
                factors.push(T::default());
                continue;
            }
            let length = if vector[0].real() > 0.0 { -norm } else { norm };
            let diagonal = T::widen(length);
            let factor = (diagonal - vector[0]) / length;
            let scale = vector[0] - diagonal;
            vector[1..]
                .iter_mut()
                .for_each(|value| *value = value.over(scale));
            vector[0] = T::ONE;
            for column in behind.chunks_mut(matrix.rows) {
                let dot = product_of(vector, &column[at..]);
                add_scaled(&mut column[at..], vector, -factor.conjugate() * dot);
            }
            vector[0] = diagonal;
            factors.push(factor);
        }
        Self { matrix, factors }
    }

    /// The triangle: as many rows as there are reflections.
    pub(super) fn triangle(&self) -> Columns<T> {
        let mut triangle = Columns::zeros(self.factors.len(), self.matrix.columns);
        for column in 0..self.matrix.columns {
            let length = (column + 1).min(self.factors.len());
            triangle.column_mut(column)[..length]
                .copy_from_slice(&self.matrix.column(column)[..length]);
        }
        triangle
    }

    /// The orthogonal factor times `other`, which has as many rows as there are reflections.
    pub(super) fn apply(&self, other: &Columns<T>) -> Columns<T> {
        let mut product = Columns::zeros(self.matrix.rows, other.columns);
        for column in 0..other.columns {
            product.column_mut(column)[..other.rows].copy_from_slice(other.column(column));
        }
        for (at, &factor) in self.factors.iter().enumerate().rev() {
            let vector = &self.matrix.column(at)[at + 1..];
            for column in product.elements.chunks_mut(self.matrix.rows) {
                let dot = column[at] + product_of(vector, &column[at + 1..]);
                column[at] -= factor * dot;
                add_scaled(&mut column[at + 1..], vector, -factor * dot);
            }
        }
        product
    }

    /// The number of reflections.
    pub(super) fn count(&self) -> usize {
        self.factors.len()
    }
}

/// A square matrix of zeros and ones on the diagonal.
pub(super) fn identity<T: Field>(side: usize) -> Columns<T> {
    let mut matrix = Columns::zeros(side, side);
    for at in 0..side {
        matrix.column_mut(at)[at] = T::ONE;
    }
    matrix
}

/// Left singular vectors, singular values from the largest on, and right singular vectors (as columns) of
/// a matrix with at least as many rows as columns: its columns are rotated against each other until all
/// are at right angles (Hestenes, J. SIAM 6, 1958). The matrix is scaled before, so that products of columns
/// neither overflow nor vanish.
pub(super) fn singular_values<T: Field>(matrix: Columns<T>) -> (Columns<T>, Vec<f64>, Columns<T>) {
    let mut left = matrix;
    let scale = scale_of(&left.elements);
    left.elements
        .iter_mut()
        .for_each(|value| *value = *value / scale);
    let count = left.columns;
    let mut right = identity(count);
    for _ in 0..SWEEPS_MAX {
        let mut is_done = true;
        for first in 0..count {
            for second in first + 1..count {
                if rotate(&mut left, &mut right, first, second) {
                    is_done = false;
                }
            }
        }
        if is_done {
            break;
        }
    }
    let norms: Vec<f64> = (0..count)
        .map(|column| norm_of(left.column(column)))
        .collect();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| norms[b].total_cmp(&norms[a]));
    let mut sorted = Columns::zeros(left.rows, count);
    let mut vectors = Columns::zeros(count, count);
    for (to, &from) in order.iter().enumerate() {
        vectors.column_mut(to).copy_from_slice(right.column(from));
        let norm = norms[from];
        let unit = left.column(from).iter().map(|value| {
            if norm > 0.0 {
                *value / norm
            } else {
                T::default()
            }
        });
        sorted
            .column_mut(to)
            .iter_mut()
            .zip(unit)
            .for_each(|(to, value)| *to = value);
    }
    let mut values: Vec<f64> = order.iter().map(|&from| norms[from]).collect();
    complete(&mut sorted, &values);
    values.iter_mut().for_each(|value| *value *= scale);
    (sorted, values, vectors)
}

/// The power of two next below the largest magnitude: what is divided by it loses nothing. 1 where there is none.
fn scale_of<T: Field>(values: &[T]) -> f64 {
    let largest = largest_of(values);
    match largest.is_normal() {
        // The exponent alone.
        true => f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits()),
        false => 1.0,
    }
}

/// Rotates two columns to right angles; whether they were not. Of complex numbers the second is turned, so
/// that the product of both is real, and back once they are rotated.
fn rotate<T: Field>(
    left: &mut Columns<T>,
    right: &mut Columns<T>,
    first: usize,
    second: usize,
) -> bool {
    let (a, b) = (left.column(first), left.column(second));
    let (aa, bb) = (product_of(a, a).real(), product_of(b, b).real());
    let ab = product_of(a, b);
    let size = ab.modulus();
    if size == 0.0 || !size.is_finite() || size <= f64::EPSILON * (aa * bb).sqrt() {
        return false;
    }
    let slope = (bb - aa) / (2.0 * size);
    let tangent = slope.signum() / (slope.abs() + slope.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = ab / size * (cosine * tangent);
    for matrix in [left, right] {
        let (before, behind) = matrix.elements.split_at_mut(second * matrix.rows);
        let a = &mut before[first * matrix.rows..(first + 1) * matrix.rows];
        for (a, b) in a.iter_mut().zip(&mut behind[..matrix.rows]) {
            (*a, *b) = (*a * cosine - sine.conjugate() * *b, sine * *a + *b * cosine);
        }
    }
    true
}

/// Puts vectors at right angles to all others where the singular value is 0.
fn complete<T: Field>(vectors: &mut Columns<T>, values: &[f64]) {
    let mut candidate = 0;
    for at in (0..values.len()).filter(|&at| values[at] == 0.0) {
        while candidate < vectors.rows {
            let mut vector = vec![T::default(); vectors.rows];
            vector[candidate] = T::ONE;
            candidate += 1;
            for _ in 0..2 {
                for other in (0..values.len()).filter(|&other| values[other] > 0.0 || other < at) {
                    let dot = product_of(vectors.column(other), &vector);
                    add_scaled(&mut vector, vectors.column(other), -dot);
                }
            }
            let norm = norm_of(&vector);
            if norm > 0.1 {
                let unit = vector.iter().map(|value| *value / norm);
                vectors
                    .column_mut(at)
                    .iter_mut()
                    .zip(unit)
                    .for_each(|(to, value)| *to = value);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::*;

    /// The product as its definition has it.
    fn product<T: Field>(left: &Columns<T>, right: &Columns<T>) -> Columns<T> {
        let mut product = Columns::zeros(left.rows, right.columns);
        for column in 0..right.columns {
            for row in 0..left.rows {
                let terms = (0..left.columns).map(|at| left.at(row, at) * right.at(at, column));
                product.column_mut(column)[row] = terms.sum();
            }
        }
        product
    }

    fn check_near<T: Field>(found: &Columns<T>, expected: &Columns<T>) {
        assert_eq!(
            [found.rows, found.columns],
            [expected.rows, expected.columns]
        );
        for (found, expected) in found.elements.iter().zip(&expected.elements) {
            let error = (*found - *expected).modulus();
            assert!(error < 1e-12, "{found}, not {expected}");
        }
    }

    /// Checks that factors make the matrix of 7 rows and 4 columns whose elements `of` gives.
    fn check_factors<T: Field>(of: impl Fn(usize) -> T) {
        let elements: Vec<T> = (0..28).map(of).collect();
        let matrix = Columns::of_rows(7, 4, &elements);
        let unit = identity::<T>(4);
        let reflected = Reflected::of(matrix.clone());
        let (q, r) = (reflected.apply(&unit), reflected.triangle());
        check_near(&product(&q, &r), &matrix);
        check_near(&product(&q.adjoint(), &q), &unit);
        for at in 0..4 {
            assert_eq!(r.at(at, at), T::widen(r.at(at, at).real()), "row {at}");
        }
        let (u, values, v) = singular_values(matrix.clone());
        assert!(values.is_sorted_by(|a, b| a >= b));
        let mut scaled = u.clone();
        for (at, &value) in values.iter().enumerate() {
            let column = scaled.column_mut(at).iter_mut();
            column.for_each(|element| *element = *element * value);
        }
        check_near(&product(&scaled, &v.adjoint()), &matrix);
        check_near(&product(&u.adjoint(), &u), &unit);
        check_near(&product(&v.adjoint(), &v), &unit);
    }

    #[test]
    fn factors_make_the_matrix() {
        let part = |at: usize, step: usize| (at * step % 29) as f64 - 14.0;
        check_factors(|at| part(at, 11));
        check_factors(|at| Complex::new(part(at, 11), part(at, 7)));
        // Of rank 1, and 0: vectors are found where there is no value.
        check_factors(|at| Complex::new(0.0, (at / 4) as f64));
        check_factors(|_| Complex::default());
    }

    /// Of 3 and 4i the length is 5, and of [[4, −2i], [2i, 5]] the eigenvalues, which are positive, have the
    /// sum 9 and the product 16. Squares of 10²⁰⁰ are beyond all doubles.
    #[test]
    fn values_of_complex_matrices_are_real() {
        let z = |re: f64, im: f64| Complex::new(re, im);
        for scale in [1.0, 1e200, 1e-200] {
            let column = Columns::of_rows(2, 1, &[z(3.0 * scale, 0.0), z(0.0, 4.0 * scale)]);
            let length = Reflected::of(column.clone()).triangle().at(0, 0);
            assert!((length / scale + 5.0).norm() < 1e-14);
            assert!((singular_values(column).1[0] / scale - 5.0).abs() < 1e-14);
        }
        let hermitian = [z(4.0, 0.0), z(0.0, -2.0), z(0.0, 2.0), z(5.0, 0.0)];
        let (_, values, _) = singular_values(Columns::of_rows(2, 2, &hermitian));
        assert!((values[0] + values[1] - 9.0).abs() < 1e-13);
        assert!((values[0] * values[1] - 16.0).abs() < 1e-13);
    }
}

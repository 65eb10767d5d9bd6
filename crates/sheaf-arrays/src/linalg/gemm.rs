//! Products of small matrices on one thread.
//!
//! Both factors are copied piece by piece into the order in which they are used, so that strides do not
//! matter, and a kernel keeps a few rows and columns of the product in registers (Goto, van de Geijn:
//! Anatomy of high-performance matrix multiplication, ACM TOMS 34, 2008; the loops are BLIS's).

use super::kernels::{Kernel, LANES_MAX, Multiply, TILE_MAX};

/// Elements along the inner axis that are used at a time. The products of so many are added up first, and
/// these sums then in order: cutting the inner axis where a multiple of them ends changes nothing.
pub(crate) const INNER: usize = 384;
/// Rows of the left factor that are packed at a time: with [`INNER`], what stays near a processor.
const ROWS: usize = 72;
/// Columns of the right factor that are packed at a time.
const COLUMNS: usize = 2048;
/// Bytes of a line of the processor's cache.
const CACHE_LINE: usize = 64;

/// A factor: its elements, and how far neighbours along each axis are apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factor<'a, T> {
    pub(crate) elements: &'a [T],
    pub(crate) row_step: usize,
    pub(crate) column_step: usize,
}

impl<T: Copy> Factor<'_, T> {
    fn transposed(self) -> Self {
        Self {
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// What lies below and to the right of an element.
    fn from(self, row: usize, column: usize) -> Self {
        let start = row * self.row_step + column * self.column_step;
        Self {
            elements: &self.elements[start..],
            ..self
        }
    }
}

/// Where a product is added to: `columns` behind each other, rows `row_step` apart.
#[derive(Debug)]
pub(crate) struct Target<'a, T> {
    pub(crate) elements: &'a mut [T],
    pub(crate) row_step: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl<T> Target<'_, T> {
    /// Has the processor bring the rows of a tile, so that they are near when its sums are known.
    fn fetch(&self, corner: (usize, usize), tile: (usize, usize)) {
        let columns = tile.1.min(self.columns - corner.1);
        for row in corner.0..(corner.0 + tile.0).min(self.rows) {
            let start = row * self.row_step + corner.1;
            let row = &self.elements[start..start + columns];
            row.iter()
                .step_by(CACHE_LINE / size_of::<T>())
                .for_each(prefetch);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "a hint to the processor: nothing is read, and every x86-64 processor has it"
)]
fn prefetch<T>(place: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint about an address that is valid, being that of a reference.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch<T>(_: &T) {}

/// Bytes of the copies that [`multiply`] makes for a product of that size, of so many columns and rows.
pub(crate) fn packed_bytes<T: Multiply>(rows: usize, columns: usize, inner: usize) -> usize {
    let lanes = ROWS.min(rows) + COLUMNS.min(columns) + 2 * LANES_MAX;
    lanes * INNER.min(inner) * size_of::<T>() + 2 * CACHE_LINE
}

/// Adds the product of `left` and `right` to `target`, by a kernel. `inner` is the number of columns of
/// the one and of rows of the other.
pub(super) fn multiply_by<T: Multiply, K: Kernel<T>>(
    kernel: K,
    left: Factor<'_, T>,
    right: Factor<'_, T>,
    inner: usize,
    target: &mut Target<'_, T>,
) {
    let (tile_rows, tile_columns) = K::TILE;
    let mut room_left = Vec::new();
    let mut room_right = Vec::new();
    let mut product = [T::default(); TILE_MAX];
    for first_column in (0..target.columns).step_by(COLUMNS) {
        let columns = COLUMNS.min(target.columns - first_column);
        for first in (0..inner).step_by(INNER) {
            let depth = INNER.min(inner - first);
            let from = right.transposed().from(first_column, first);
            let packed_right = pack(&mut room_right, &from, columns, tile_columns, depth);
            for first_row in (0..target.rows).step_by(ROWS) {
                let rows = ROWS.min(target.rows - first_row);
                let from = left.from(first_row, first);
                let packed_left = pack(&mut room_left, &from, rows, tile_rows, depth);
                for (column, right) in packed_right.chunks(depth * tile_columns).enumerate() {
                    for (row, left) in packed_left.chunks(depth * tile_rows).enumerate() {
                        let corner = (
                            first_row + row * tile_rows,
                            first_column + column * tile_columns,
                        );
                        target.fetch(corner, K::TILE);
                        kernel.tile(depth, left, right, &mut product);
                        add(target, corner, &product, (tile_rows, tile_columns));
                    }
                }
            }
        }
    }
}

/// Adds the product of `left` and `right` to `target`, strips of its rows on so many threads at a time.
pub(super) fn multiply_in_strips<T: Multiply>(
    threads: usize,
    left: Factor<'_, T>,
    right: Factor<'_, T>,
    inner: usize,
    target: &mut Target<'_, T>,
) {
    let strip = target.rows.div_ceil(threads);
    if threads <= 1 || strip == 0 || inner == 0 {
        return T::multiply(left, right, inner, target);
    }
    let (rows, columns, row_step) = (target.rows, target.columns, target.row_step);
    let strips = target.elements.chunks_mut(strip * row_step);
    std::thread::scope(|scope| {
        for (first, elements) in (0..rows).step_by(strip).zip(strips) {
            scope.spawn(move || {
                let mut target = Target {
                    elements,
                    row_step,
                    rows: strip.min(rows - first),
                    columns,
                };
                T::multiply(left.from(first, 0), right, inner, &mut target);
            });
        }
    });
}

/// Copies `lanes` rows of `depth` elements into groups of `width`, in which the elements of the same
/// column stand together; rows that lack in the last group are zero. The copy begins where a line of the
/// processor's cache does, so that the kernel reads no two for one. Inlined, since the width is known
/// where it is called.
#[inline(always)]
fn pack<'a, T: Multiply>(
    room: &'a mut Vec<T>,
    from: &Factor<'_, T>,
    lanes: usize,
    width: usize,
    depth: usize,
) -> &'a [T] {
    let count = lanes.div_ceil(width) * width * depth;
    let spare = CACHE_LINE / size_of::<T>();
    room.resize(count + spare, T::default());
    let begin = room.as_ptr().align_offset(CACHE_LINE).min(spare);
    let packed = &mut room[begin..begin + count];
    for (group, packed) in packed.chunks_mut(width * depth).enumerate() {
        let first = group * width;
        let here = width.min(lanes - first);
        if here < width {
            packed.fill(T::default());
        }
        if from.row_step == 1 {
            for (k, row) in packed.chunks_exact_mut(width).enumerate() {
                let lane = &from.elements[first + k * from.column_step..];
                match here == width {
                    true => row.copy_from_slice(&lane[..width]),
                    false => row[..here].copy_from_slice(&lane[..here]),
                }
            }
        } else {
            for lane in 0..here {
                let elements = from.elements[(first + lane) * from.row_step..].iter();
                let rows = packed.chunks_exact_mut(width);
                for (row, value) in rows.zip(elements.step_by(from.column_step)) {
                    row[lane] = *value;
                }
            }
        }
    }
    packed
}

/// Adds a tile to the target, as far as it lies in it. Inlined, since the size of a whole tile is known
/// where it is called: what a compiler makes of rows of any length costs as much as the kernel.
#[inline(always)]
fn add<T: Multiply>(
    target: &mut Target<'_, T>,
    corner: (usize, usize),
    product: &[T; TILE_MAX],
    tile: (usize, usize),
) {
    let rows = tile.0.min(target.rows - corner.0);
    let columns = tile.1.min(target.columns - corner.1);
    for (row, values) in product.chunks_exact(tile.1).enumerate().take(rows) {
        let start = (corner.0 + row) * target.row_step + corner.1;
        let sums = &mut target.elements[start..start + columns];
        if columns == tile.1 {
            for lane in 0..tile.1 {
                sums[lane] = sums[lane].plus(values[lane]);
            }
        } else {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.plus(*value);
            }
        }
    }
}

//! The rows: what is asked, what it is to cost beside the peers, when two answers are the same.

use std::path::Path;

/// Relative difference that is the rounding of sums in another order.
pub(super) const EXACT: f64 = 1e-9;

/// Arrays and the seeds of their generator.
pub(super) static SEEDS: &[(&str, u64)] = &[("x", 42), ("y", 7), ("tall", 42)];

/// Where numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Each engine's generator, as they are asked for.
    Drawn,
    /// The files.
    Zarr,
}

impl Source {
    /// In file names.
    pub(super) fn name(self) -> &'static str {
        match self {
            Source::Drawn => "drawn",
            Source::Zarr => "zarr",
        }
    }

    /// Makes the array `name` for matrices of `size` rows; `tall` is as large as they are.
    pub(super) fn create(self, name: &str, size: usize, data: &Path) -> String {
        let path = super::file(data, name);
        let (rows, columns) = shape(name, size);
        let chunks = match name {
            "tall" => (rows / 25, columns),
            _ => (rows / 5, columns / 5),
        };
        let seed = SEEDS.iter().find(|(known, _)| *known == name);
        let seed = seed.map_or(0, |(_, seed)| *seed);
        let made = match self {
            Source::Zarr => format!("read_zarr('{}')", path.display()),
            Source::Drawn => format!(
                "array_random(shape => [{rows}, {columns}], chunks => [{}, {}], seed => {seed})",
                chunks.0, chunks.1
            ),
        };
        format!("CREATE ARRAY {name} AS {made};\n")
    }
}

/// Rows and columns: 10,000² and 1,000,000 × 100.
fn shape(name: &str, size: usize) -> (usize, usize) {
    match name {
        "tall" => (size * 100, size / 100),
        _ => (size, size),
    }
}

/// What a number of an answer is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All elements: chance makes little of it.
    Whole,
    /// The largest element.
    Extreme,
}

impl Kind {
    /// The most relative difference that chance makes of it between numbers drawn twice.
    ///
    /// Uniform numbers deviate by 0.58 of their mean, the mean of size² of them by 0.58 / size, two of those
    /// from each other by 0.82 / size; products by twice that. The largest of sums of `size` numbers is a few
    /// of their deviations (0.58 / √size of their mean) above it, and varies by less than one.
    #[expect(clippy::cast_precision_loss, reason = "a size is no large number")]
    pub(super) fn tolerance(self, size: usize) -> f64 {
        let size = size as f64;
        match self {
            Kind::Whole => 6.0 / size,
            Kind::Extreme => 6.0 / size.sqrt(),
        }
    }
}

/// What a row may cost at most, as a share of each peer's time.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) of_numpy: Option<f64>,
    pub(super) of_dask: f64,
    pub(super) peak_bytes_max: Option<u64>,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The arrays that it is of.
    pub(super) arrays: &'static [&'static str],
    /// The query; `{size}` and `{strip}` (size / 25) are filled in.
    sql: &'static str,
    /// What the numbers of its answer are of.
    kinds: &'static [Kind],
    pub(super) target: Target,
}

const X: &[&str] = &["x"];
const ONE: &[Kind] = &[Kind::Whole];
const BOTH: &[Kind] = &[Kind::Whole, Kind::Extreme];
const USUAL: Target = Target {
    of_numpy: None,
    of_dask: 0.6,
    peak_bytes_max: None,
};

/// A product's answer.
pub(super) const PRODUCT: &str =
    "SELECT tensor_sum(v), tensor_max(v) FROM array_matmul(array_transpose(x), x)";

/// Every row, in the order of the table; `benches/arrays.py` has the same for the peers.
pub(super) static ROWS: &[Row] = &[
    Row {
        name: "mean",
        arrays: X,
        sql: "SELECT tensor_mean(v) FROM x",
        kinds: ONE,
        target: USUAL,
    },
    Row {
        name: "std",
        arrays: X,
        sql: "SELECT tensor_stddev_pop(v) FROM x",
        kinds: ONE,
        target: USUAL,
    },
    Row {
        name: "row sums",
        arrays: X,
        sql: "SELECT tensor_sum(v), tensor_max(v) FROM array_reduce(x, 'sum', axis => [1])",
        kinds: BOTH,
        target: USUAL,
    },
    Row {
        name: "x.T @ x",
        arrays: X,
        sql: PRODUCT,
        kinds: BOTH,
        target: Target {
            of_numpy: Some(1.1),
            of_dask: 0.45,
            peak_bytes_max: Some(600_000_000),
        },
    },
    Row {
        name: "x @ y",
        arrays: &["x", "y"],
        sql: "SELECT tensor_sum(v), tensor_max(v) FROM array_matmul(x, y)",
        kinds: BOTH,
        target: USUAL,
    },
    Row {
        name: "rechunk",
        arrays: X,
        sql: "SELECT tensor_sum(v), tensor_max(v) FROM array_cumsum(\
              array_rechunk(x, chunks => [{size}, {strip}]), axis => 0)",
        kinds: BOTH,
        target: USUAL,
    },
    Row {
        name: "stencil",
        arrays: X,
        sql: "SELECT tensor_sum(v), tensor_max(v) FROM array_map_overlap(x, lambda x: \
              0.2::DOUBLE * (x + x(-1, 0) + x(1, 0) + x(0, -1) + x(0, 1)), boundary => 'nearest')",
        kinds: BOTH,
        target: USUAL,
    },
    Row {
        name: "quantile",
        arrays: X,
        sql: "SELECT v FROM array_to_cells(array_quantile(x, 0.5))",
        kinds: ONE,
        target: USUAL,
    },
    Row {
        name: "fft",
        arrays: X,
        sql: "SELECT tensor_sum(v), tensor_max(v) FROM array_abs(array_fft(x, axis => 0))",
        kinds: BOTH,
        target: USUAL,
    },
    Row {
        name: "qr",
        arrays: &["tall"],
        sql: "SELECT tensor_sum(v), tensor_max(v) FROM array_abs(array_qr(tall, part => 'q'))",
        kinds: BOTH,
        target: USUAL,
    },
];

impl Row {
    /// The query for matrices of `size` rows.
    pub(super) fn sql(&self, size: usize) -> String {
        let strip = (size / 25).to_string();
        self.sql
            .replace("{size}", &size.to_string())
            .replace("{strip}", &strip)
    }

    /// Its name, as files are called.
    pub(super) fn file_name(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric();
        self.name.replace(|c| !is_plain(c), "_")
    }

    /// The first number of `actual` that is another than in `expected`: drawn with another generator for
    /// matrices of `drawn_size` rows, or from the same numbers.
    pub(super) fn difference(
        &self,
        expected: &[f64],
        actual: &[f64],
        drawn_size: Option<usize>,
    ) -> Option<String> {
        let (count, wanted) = (actual.len(), self.kinds.len());
        if count != wanted || expected.len() != wanted {
            return Some(format!("{count} numbers, not {wanted}"));
        }
        let pairs = expected.iter().zip(actual).zip(self.kinds);
        for ((expected, actual), kind) in pairs {
            let tolerance = drawn_size.map_or(EXACT, |size| kind.tolerance(size));
            let is_near = (expected - actual).abs() <= tolerance * expected.abs();
            if !is_near {
                return Some(format!("{actual}, not {expected} (± {tolerance:.1e})"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::ROWS;

    #[test]
    fn answers_agree_within_what_is_stated() {
        let row = ROWS.iter().find(|row| row.name == "row sums").unwrap();
        assert_eq!(
            row.difference(&[50.0, 3.0], &[50.000_000_001, 3.0], None),
            None
        );
        assert!(
            row.difference(&[50.0, 3.0], &[50.000_001, 3.0], None)
                .is_some()
        );
        assert_eq!(
            row.difference(&[50.0, 3.0], &[50.01, 3.1], Some(10_000)),
            None
        );
        assert!(
            row.difference(&[50.0, 3.0], &[50.1, 3.0], Some(10_000))
                .is_some()
        );
        assert!(
            row.difference(&[50.0, 3.0], &[f64::NAN, 3.0], None)
                .is_some()
        );
        assert!(row.difference(&[50.0, 3.0], &[50.0], None).is_some());
    }

    #[test]
    fn strips_are_filled_in() {
        let row = ROWS.iter().find(|row| row.name == "rechunk").unwrap();
        assert!(row.sql(10_000).contains("[10000, 400]"));
        assert_eq!(ROWS[3].file_name(), "x_T___x");
    }
}

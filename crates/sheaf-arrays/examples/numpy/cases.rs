//! Random arrays, and the files of cases.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use num_complex::Complex;
use sheaf_arrays::{Array, Context, DType, FixedMemory, ScratchDirectory, Tensor};
use sheaf_arrays::{LocalObjects, Objects, Target, from_tensor, rechunk, write_npy};
use sheaf_base::{ByteCount, Result, SheafError};

/// A generator of random numbers, and the cases so far.
pub(crate) struct Cases {
    directory: PathBuf,
    state: u64,
    lines: String,
    count: usize,
    /// Small enough for everything that can spill to do so now and then.
    pub(crate) context: Context,
}

/// What types an array may have.
pub(crate) const ALL: &[DType] = &[
    DType::Bool,
    DType::Int8,
    DType::Int16,
    DType::Int32,
    DType::Int64,
    DType::UInt8,
    DType::UInt16,
    DType::UInt32,
    DType::UInt64,
    DType::Float32,
    DType::Float64,
    DType::Complex64,
    DType::Complex128,
];
pub(crate) const REAL: &[DType] = &[
    DType::Bool,
    DType::Int8,
    DType::Int16,
    DType::Int32,
    DType::Int64,
    DType::UInt8,
    DType::UInt16,
    DType::UInt32,
    DType::UInt64,
    DType::Float32,
    DType::Float64,
];
pub(crate) const FLOATS: &[DType] = &[DType::Float32, DType::Float64];
pub(crate) const INEXACT: &[DType] = &[
    DType::Float32,
    DType::Float64,
    DType::Complex64,
    DType::Complex128,
];

impl Cases {
    pub(crate) fn new(directory: PathBuf, seed: u64) -> Self {
        let memory = Arc::new(FixedMemory::new(64 << 20));
        let scratch = ScratchDirectory::new(directory.clone(), ByteCount(1 << 30));
        Self {
            directory,
            state: seed,
            lines: String::new(),
            count: 0,
            context: Context::new(memory, Arc::new(scratch), 2),
        }
    }

    /// From 0 on, less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mixed = (self.state ^ (self.state >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 11) % end.max(1)
    }

    pub(crate) fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap_or(0)]
    }

    /// A shape of `axes` axes, of which now and then one is 0 or 1 long.
    pub(crate) fn shape(&mut self, axes: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        let count = axes.start() + self.below(axes.end() - axes.start() + 1);
        let longest = [40, 30, 24, 12, 7, 5, 4, 3][usize::try_from(count.max(1) - 1).unwrap_or(0)];
        (0..count)
            .map(|_| match self.below(14) {
                0 => 1,
                1 if self.below(3) == 0 => 0,
                _ => 1 + self.below(longest),
            })
            .collect()
    }

    pub(crate) fn chunk(&mut self, shape: &[u64]) -> Vec<u64> {
        shape
            .iter()
            .map(|&length| 1 + self.below(length.max(1)))
            .collect()
    }

    /// An array of random elements in random chunks.
    pub(crate) fn array(&mut self, shape: &[u64], dtype: DType) -> Result<Array> {
        let count = usize::try_from(shape.iter().product::<u64>()).unwrap_or(0);
        let has_nan = self.below(8) == 0;
        let values: Vec<Complex<f64>> = (0..count).map(|_| self.value(has_nan)).collect();
        let lengths: Vec<usize> = shape
            .iter()
            .map(|&length| usize::try_from(length).unwrap_or(0))
            .collect();
        let is_unsigned = dtype.name().starts_with("uint") || dtype == DType::Bool;
        let values = values
            .into_iter()
            .map(|value| match (dtype.name(), is_unsigned) {
                ("bool", _) => Complex::new(f64::from(u8::from(value.re > 0.3)), 0.0),
                (_, true) => Complex::new(value.re.abs() * 20.0, 0.0),
                (name, _) if name.starts_with("int") => Complex::new(value.re * 20.0, 0.0),
                _ => value,
            });
        let tensor = Tensor::from_vec(&lengths, values.collect())?.cast(dtype, &self.context)?;
        let chunk = self.chunk(shape);
        from_tensor(tensor, &chunk)
    }

    fn value(&mut self, has_nan: bool) -> Complex<f64> {
        let part = |number: u64| (number as f64 / 1000.0 - 4.0) / 1.5;
        let value = Complex::new(part(self.below(8000)), part(self.below(8000)));
        match has_nan && self.below(20) == 0 {
            true => Complex::new(f64::NAN, 0.0),
            false => value,
        }
    }

    /// Writes a case: `expression` is of a0, a1, …, and must be what `result` is, element by element, up to
    /// `tolerance` (relative to the largest element, in units of the type's precision).
    pub(crate) fn case(
        &mut self,
        inputs: &[&Array],
        expression: &str,
        result: &Array,
    ) -> Result<()> {
        self.case_within(inputs, expression, result, 64.0)
    }

    pub(crate) fn case_within(
        &mut self,
        inputs: &[&Array],
        expression: &str,
        result: &Array,
        tolerance: f64,
    ) -> Result<()> {
        let mut names = Vec::new();
        for (place, input) in inputs.iter().enumerate() {
            let name = format!("{}_{place}.npy", self.count);
            write_npy(input, &self.target(&name), &self.context)?;
            names.push(name);
        }
        let name = format!("{}_result.npy", self.count);
        let describe =
            |error: SheafError| error.with_context(format!("case {}, {expression}", self.count));
        write_npy(result, &self.target(&name), &self.context).map_err(describe)?;
        self.line(&names, expression, &name, tolerance)
    }

    fn line(
        &mut self,
        inputs: &[String],
        expression: &str,
        result: &str,
        tolerance: f64,
    ) -> Result<()> {
        let number = self.count;
        self.count += 1;
        writeln!(
            self.lines,
            "{{\"case\": {number}, \"inputs\": {inputs:?}, \"expression\": {expression:?}, \
             \"result\": {result:?}, \"tolerance\": {tolerance}}}"
        )
        .map_err(|error| SheafError::internal(error.to_string()))
    }

    /// Where a file of that name is written.
    pub(crate) fn target(&self, name: &str) -> Target {
        Target::local(&self.directory.join(name))
    }

    /// A file of that name, if it is there.
    pub(crate) fn file(&self, name: &str) -> Option<Arc<dyn Objects>> {
        let path = self.directory.join(name);
        path.exists()
            .then(|| Arc::new(LocalObjects::new(&path)) as Arc<dyn Objects>)
    }

    /// A case whose result is written by `write` into a file whose name ends in `ending`.
    pub(crate) fn written(
        &mut self,
        array: &Array,
        ending: &str,
        write: impl Fn(&Target, &Context) -> Result<()>,
    ) -> Result<()> {
        let input = format!("{}_0.npy", self.count);
        write_npy(array, &self.target(&input), &self.context)?;
        let name = format!("{}_result{ending}", self.count);
        write(&self.target(&name), &self.context)?;
        self.line(&[input], "a0", &name, 0.0)
    }

    /// A case of a file that was written by others, and beside which the same is in `npy`: once as it is,
    /// once across its chunks.
    pub(crate) fn read(&mut self, array: &Array, npy: &str) -> Result<()> {
        let whole = vec![0; array.rank()];
        for read in [array.clone(), rechunk(array, &whole)?] {
            let name = format!("{}_result.npy", self.count);
            write_npy(&read, &self.target(&name), &self.context)?;
            let expression = "a0.astype(a0.dtype.newbyteorder('='))";
            self.line(&[npy.to_owned()], expression, &name, 0.0)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<()> {
        std::fs::write(self.directory.join("cases.jsonl"), self.lines)?;
        Ok(())
    }
}

/// Numbers as Python writes a tuple.
pub(crate) fn python(numbers: &[i64]) -> String {
    sheaf_arrays::tuple(numbers)
}

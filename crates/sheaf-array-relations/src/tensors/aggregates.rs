//! Aggregates of tensors: those of all their elements, over all chunks of a group.
//!
//! Sums of floats carry what rounding has lost (Neumaier, ZAMM 54, 1974); deviations are put together by
//! Chan's formula (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample
//! variances, 1979), like those of `array_reduce`.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray, ListArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, DocSection, Documentation, Signature, Volatility,
};
use sheaf_arrays::{Class, DType};
use sheaf_base::SheafError;

use super::tensor_type;

/// Which aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Count,
    Sum,
    Min,
    Max,
    Mean,
    VarPop,
    Var,
    StddevPop,
    Stddev,
}

/// Name, kind, what it gives.
const AGGREGATES: &[(&str, Kind, &str)] = &[
    (
        "tensor_count",
        Kind::Count,
        "How many elements the tensors have.",
    ),
    (
        "tensor_sum",
        Kind::Sum,
        "The sum of all elements of the tensors.",
    ),
    (
        "tensor_min",
        Kind::Min,
        "The least element of the tensors; NaN if any is.",
    ),
    (
        "tensor_max",
        Kind::Max,
        "The largest element of the tensors; NaN if any is.",
    ),
    (
        "tensor_mean",
        Kind::Mean,
        "The mean of all elements of the tensors.",
    ),
    (
        "tensor_var_pop",
        Kind::VarPop,
        "The variance of all elements of the tensors.",
    ),
    (
        "tensor_var",
        Kind::Var,
        "The variance of all elements of the tensors, as a sample.",
    ),
    (
        "tensor_stddev_pop",
        Kind::StddevPop,
        "The standard deviation of all elements of the tensors.",
    ),
    (
        "tensor_stddev",
        Kind::Stddev,
        "The standard deviation of all elements of the tensors, as a sample.",
    ),
];

pub(super) fn functions() -> Vec<AggregateUDF> {
    let all = AGGREGATES.iter().map(|&(name, kind, what)| {
        let section = DocSection {
            include: true,
            label: "Array Functions",
            description: None,
        };
        AggregateUDF::from(TensorAggregate {
            name,
            kind,
            signature: Signature::any(1, Volatility::Immutable),
            documentation: Documentation::builder(section, what, format!("{name}(v)"))
                .with_sql_example(format!("SELECT {name}(v) FROM array_ones(shape => [2, 3])"))
                .build(),
        })
    });
    all.collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TensorAggregate {
    name: &'static str,
    kind: Kind,
    signature: Signature,
    documentation: Documentation,
}

impl TensorAggregate {
    /// The type of elements, of those that it can take.
    fn element(&self, data_type: &DataType) -> Result<DType> {
        let found = tensor_type(data_type).map(|(dtype, _)| dtype);
        found
            .filter(|dtype| dtype.class() != Class::Complex || self.kind == Kind::Count)
            .ok_or_else(|| {
                SheafError::user(format!("{} takes tensors of real numbers", self.name))
                    .with_hint("the column v of an array has them: FROM array_random(…)")
                    .into()
            })
    }

    fn result(&self, dtype: DType) -> DataType {
        match (self.kind, dtype.class()) {
            (Kind::Count, _) => DataType::Int64,
            (Kind::Min | Kind::Max, _) => dtype.arrow_type(),
            (Kind::Sum, Class::Int | Class::Bool) => DataType::Int64,
            (Kind::Sum, Class::UInt) => DataType::UInt64,
            _ => DataType::Float64,
        }
    }
}

impl AggregateUDFImpl for TensorAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.result(self.element(&types[0])?))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.expr_fields[0].data_type();
        let dtype = self.element(data_type)?;
        let result = self.result(dtype);
        Ok(Box::new(Folded {
            kind: self.kind,
            count: 0,
            whole: 0,
            sum: 0.0,
            lost: 0.0,
            mean: 0.0,
            squares: 0.0,
            extreme: ScalarValue::try_from(&dtype.arrow_type())?,
            is_whole: matches!(dtype.class(), Class::Int | Class::UInt | Class::Bool),
            result,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let dtype = self.element(args.input_fields[0].data_type())?;
        let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
        Ok(vec![
            field("count", DataType::Int64),
            field("whole", DataType::Decimal128(38, 0)),
            field("sum", DataType::Float64),
            field("lost", DataType::Float64),
            field("mean", DataType::Float64),
            field("squares", DataType::Float64),
            field("extreme", dtype.arrow_type()),
        ])
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// What has been seen of a group.
#[derive(Debug)]
struct Folded {
    kind: Kind,
    count: i64,
    /// The sum of whole numbers.
    whole: i128,
    /// The sum of floats, and what rounding has lost of it.
    sum: f64,
    lost: f64,
    mean: f64,
    /// Squares of distances from the mean.
    squares: f64,
    extreme: ScalarValue,
    is_whole: bool,
    result: DataType,
}

impl Folded {
    /// Adds to the sum.
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += match self.sum.abs() >= value.abs() {
            true => (self.sum - sum) + value,
            false => (value - sum) + self.sum,
        };
        self.sum = sum;
    }

    /// Puts mean and squares of others to the own.
    fn join(&mut self, count: i64, mean: f64, squares: f64) {
        if count == 0 {
            return;
        }
        let (own, other) = (self.count as f64, count as f64);
        let distance = mean - self.mean;
        let all = own + other;
        self.squares += squares + distance * distance * own * other / all;
        self.mean += distance * other / all;
    }

    fn elements(&mut self, elements: &ArrayRef) -> Result<()> {
        let count = elements.len() as i64;
        match self.kind {
            Kind::Count => {}
            Kind::Sum if self.is_whole => self.whole += whole_sum(elements)?,
            Kind::Sum => {
                let values = cast(elements, &DataType::Float64)?;
                for piece in values.as_primitive::<Float64Type>().values().chunks(1024) {
                    self.add(lanes(piece, |value| value));
                }
            }
            Kind::Min | Kind::Max => {
                let found = extreme(elements, self.kind == Kind::Min)?;
                self.take_extreme(found)?;
            }
            Kind::Mean | Kind::VarPop | Kind::Var | Kind::StddevPop | Kind::Stddev => {
                let values = cast(elements, &DataType::Float64)?;
                for piece in values.as_primitive::<Float64Type>().values().chunks(1024) {
                    let mean = lanes(piece, |value| value) / piece.len() as f64;
                    let squares = lanes(piece, |value| (value - mean) * (value - mean));
                    self.join(piece.len() as i64, mean, squares);
                    self.count += piece.len() as i64;
                }
                return Ok(());
            }
        }
        self.count += count;
        Ok(())
    }

    fn take_extreme(&mut self, found: ScalarValue) -> Result<()> {
        if found.is_null() {
            return Ok(());
        }
        let both = ScalarValue::iter_to_array([self.extreme.clone(), found])?;
        self.extreme = extreme(&both, self.kind == Kind::Min)?;
        Ok(())
    }

    /// The variance, where `off` is taken off the count.
    fn variance(&self, off: i64) -> Option<f64> {
        (self.count > off).then(|| self.squares / (self.count - off) as f64)
    }
}

/// A sum in eight lanes, which the compiler makes vectors of.
fn lanes(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let (eights, rest) = values.as_chunks::<8>();
    for eight in eights {
        for (sum, &value) in sums.iter_mut().zip(eight) {
            *sum += of(value);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&value| of(value)).sum::<f64>()
}

fn whole_sum(elements: &ArrayRef) -> Result<i128> {
    Ok(match elements.data_type() {
        DataType::UInt64 => {
            let values = elements.as_primitive::<UInt64Type>().values();
            values.iter().map(|&value| i128::from(value)).sum()
        }
        _ => {
            let values = cast(elements, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>().values();
            values.iter().map(|&value| i128::from(value)).sum()
        }
    })
}

/// The least or the largest value: NaN if any is, NULL of none.
fn extreme(values: &ArrayRef, is_least: bool) -> Result<ScalarValue> {
    macro_rules! of {
        ($($type:ident $arrow:ident),* ; $($float:ident $arrow_float:ident),*) => {
            match values.data_type() {
                DataType::Boolean => {
                    let flags = values.as_boolean();
                    let (any, all) = (flags.true_count() > 0, flags.false_count() == 0);
                    let known = flags.len() > flags.null_count();
                    ScalarValue::Boolean(known.then_some(if is_least { all } else { any }))
                }
                $(DataType::$type => {
                    let values = values.as_primitive::<arrow::datatypes::$arrow>();
                    ScalarValue::$type(if is_least { min(values) } else { max(values) })
                })*
                $(DataType::$float => {
                    let values = values.as_primitive::<arrow::datatypes::$arrow_float>();
                    match values.iter().flatten().find(|value| value.is_nan()) {
                        Some(nan) => ScalarValue::$float(Some(nan)),
                        None => ScalarValue::$float(if is_least { min(values) } else { max(values) }),
                    }
                })*
                other => ScalarValue::try_from(other)?,
            }
        };
    }
    Ok(of!(
        Int8 Int8Type, Int16 Int16Type, Int32 Int32Type, Int64 Int64Type,
        UInt8 UInt8Type, UInt16 UInt16Type, UInt32 UInt32Type, UInt64 UInt64Type;
        Float32 Float32Type, Float64 Float64Type
    ))
}

impl Accumulator for Folded {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let tensors = values[0].as_struct();
        let lists: &ListArray = tensors.column(0).as_list();
        for row in 0..tensors.len() {
            if tensors.is_valid(row) {
                self.elements(&lists.value(row))?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[0].as_primitive::<Int64Type>();
        let wholes = states[1].as_primitive::<arrow::datatypes::Decimal128Type>();
        let float = |at: usize| states[at].as_primitive::<Float64Type>();
        for row in 0..counts.len() {
            let count = counts.value(row);
            self.whole += wholes.value(row);
            self.add(float(2).value(row));
            self.lost += float(3).value(row);
            self.join(count, float(4).value(row), float(5).value(row));
            self.count += count;
            self.take_extreme(ScalarValue::try_from_array(&states[6], row)?)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let float = |value| ScalarValue::Float64(Some(value));
        Ok(vec![
            ScalarValue::Int64(Some(self.count)),
            ScalarValue::Decimal128(Some(self.whole), 38, 0),
            float(self.sum),
            float(self.lost),
            float(self.mean),
            float(self.squares),
            self.extreme.clone(),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let root = |variance: Option<f64>| variance.map(f64::sqrt);
        Ok(match self.kind {
            Kind::Count => ScalarValue::Int64(Some(self.count)),
            Kind::Min | Kind::Max => self.extreme.clone(),
            _ if self.count == 0 => ScalarValue::try_from(&self.result)?,
            Kind::Sum if self.is_whole => {
                let overflow =
                    || SheafError::data("the sum of the elements is out of range of 64 bits");
                match self.result {
                    DataType::UInt64 => ScalarValue::UInt64(Some(
                        u64::try_from(self.whole).map_err(|_| overflow())?,
                    )),
                    _ => {
                        ScalarValue::Int64(Some(i64::try_from(self.whole).map_err(|_| overflow())?))
                    }
                }
            }
            // What is infinite has lost NaN.
            Kind::Sum if !self.sum.is_finite() => ScalarValue::Float64(Some(self.sum)),
            Kind::Sum => ScalarValue::Float64(Some(self.sum + self.lost)),
            Kind::Mean => ScalarValue::Float64(Some(self.mean)),
            Kind::VarPop => ScalarValue::Float64(self.variance(0)),
            Kind::Var => ScalarValue::Float64(self.variance(1)),
            Kind::StddevPop => ScalarValue::Float64(root(self.variance(0))),
            Kind::Stddev => ScalarValue::Float64(root(self.variance(1))),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

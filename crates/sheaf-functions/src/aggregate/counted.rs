//! Aggregates over how often each value comes: `mode(x)`, `histogram(x)` and `entropy(x)`. NULLs do
//! not count. The most frequent value is, among several, the smallest, so that it does not depend on the
//! order of rows.
//!
//! Memory: each different value with its count, in bytes of arrow's row format. Those of `mode` that do not
//! fit go to disk (grouped aggregation knows the layout of its state); a histogram is a value itself,
//! which has to fit.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, MapArray, StructArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, UInt64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::quantile::shares::constant;
use crate::shorthand::section;

pub(super) fn functions() -> [AggregateUDF; 3] {
    [
        Counted::build(
            What::Mode,
            "mode",
            "The most frequent value; among several, the smallest.",
            "SELECT mode(x) FROM (VALUES (1), (3), (3)) AS t(x); -- 3",
        ),
        Counted::build(
            What::Histogram,
            "histogram",
            "A map from each different value, in order, to how often it comes; with a list of bins, \
             from each upper bound to how many values lie up to it and above the one before. Above the \
             last one is the bin of the greatest number of the type.",
            "SELECT histogram(x) FROM (VALUES (3), (1), (3)) AS t(x); -- {1: 1, 3: 2}",
        ),
        Counted::build(
            What::Entropy,
            "entropy",
            "The entropy of how often the different values come, in bits.",
            "SELECT entropy(x) FROM (VALUES (1), (2), (3), (4)) AS t(x); -- 2.0",
        ),
    ]
}

/// What becomes of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Mode,
    Histogram,
    Entropy,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Counted {
    what: What,
    name: &'static str,
    signature: Signature,
    documentation: Documentation,
}

impl Counted {
    fn build(what: What, name: &'static str, sentence: &str, example: &str) -> AggregateUDF {
        AggregateUDF::from(Self {
            what,
            name,
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: Documentation::builder(
                section("Statistical Functions"),
                sentence,
                match what {
                    What::Histogram => format!("{name}(expression [, bins])"),
                    What::Mode | What::Entropy => format!("{name}(expression)"),
                },
            )
            .with_sql_example(example)
            .build(),
        })
    }
}

/// The type of a map from values to counts.
fn map_of(value: &DataType) -> DataType {
    DataType::Map(
        Arc::new(Field::new(
            "entries",
            DataType::Struct(entries_of(value)),
            false,
        )),
        true,
    )
}

fn entries_of(value: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("key", value.clone(), false),
        Field::new("value", DataType::Int64, true),
    ])
}

impl AggregateUDFImpl for Counted {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Bins are of the type of values, or both of the one that takes in both; decimals are doubles, which
    /// have a greatest number.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, DataType::List(bin)] = types else {
            return Ok(types.to_vec());
        };
        let common = match type_union_resolution(&[value.clone(), bin.data_type().clone()]) {
            Some(common) if common.is_decimal() => DataType::Float64,
            Some(common) => common,
            None => return Ok(types.to_vec()),
        };
        let bins = Field::new_list_field(common.clone(), true);
        Ok(vec![common, DataType::List(Arc::new(bins))])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let value = match (self.what, types) {
            (_, [value]) => value,
            (What::Histogram, [value, DataType::List(_)]) => value,
            (What::Histogram, [_, _]) => {
                return Err(wrong_bins("the bins of histogram must be a list of constants").into());
            }
            _ => {
                let message = format!("{} takes one argument", self.name);
                return Err(SheafError::user(message)
                    .with_state(SqlState::UNDEFINED_FUNCTION)
                    .into());
            }
        };
        Ok(match self.what {
            What::Mode => value.clone(),
            What::Histogram => map_of(value),
            What::Entropy => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let Some(value) = args.expr_fields.first() else {
            return internal_err!("{} has one argument", self.name);
        };
        let data_type = value.data_type().clone();
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])?;
        let bins = match (self.what, args.exprs.get(1)) {
            (What::Histogram, Some(bins)) => Some(Bins::of(bins.as_ref(), &data_type, &converter)?),
            _ => None,
        };
        Ok(Box::new(Counts {
            what: self.what,
            bins,
            data_type,
            converter,
            counts: HashMap::new(),
            value_bytes: 0,
            // Of DISTINCT values, each occurs once.
            is_distinct: args.is_distinct,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |name: &str, item: DataType| {
            let item = Arc::new(Field::new_list_field(item, true));
            Arc::new(Field::new(
                format!("{}[{name}]", args.name),
                DataType::List(item),
                true,
            ))
        };
        let Some(value) = args.input_fields.first() else {
            return internal_err!("{} has one argument", self.name);
        };
        Ok(vec![
            list("values", value.data_type().clone()),
            list("counts", DataType::UInt64),
        ])
    }

    // `mode() WITHIN GROUP (ORDER BY x)`
    fn supports_within_group_clause(&self) -> bool {
        self.what == What::Mode
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// Upper bounds of classes.
#[derive(Debug)]
struct Bins {
    /// In order, each once.
    bounds: Vec<OwnedRow>,
    /// What stands for values above the last bound; nothing does for types without a greatest one.
    above: Option<OwnedRow>,
}

impl Bins {
    fn of(bins: &dyn PhysicalExpr, value: &DataType, converter: &RowConverter) -> Result<Self> {
        let bounds = match constant(bins) {
            Some(ScalarValue::List(list)) if list.len() == 1 && !list.is_null(0) => list.value(0),
            _ => {
                return Err(wrong_bins("the bins of histogram must be a list of constants").into());
            }
        };
        let bounds = cast(&bounds, value)?;
        if bounds.is_empty() || bounds.logical_null_count() > 0 {
            return Err(wrong_bins("the bins of histogram must be some, and none NULL").into());
        }
        let rows = converter.convert_columns(&[bounds])?;
        let mut bounds: Vec<OwnedRow> = rows.iter().map(|row| row.owned()).collect();
        bounds.sort_unstable();
        bounds.dedup();
        let above = match greatest(value) {
            Some(greatest) => {
                let rows = converter.convert_columns(&[greatest.to_array()?])?;
                Some(rows.row(0).owned())
            }
            None => None,
        };
        Ok(Self { bounds, above })
    }

    /// The class in which a value lies.
    fn of_value(&self, value: OwnedRow) -> Result<OwnedRow> {
        let place = self.bounds.partition_point(|bound| *bound < value);
        match self.bounds.get(place).or(self.above.as_ref()) {
            Some(bin) => Ok(bin.clone()),
            None => Err(wrong_bins("a value lies above the last bin of histogram").into()),
        }
    }
}

/// The greatest number of a type.
fn greatest(data_type: &DataType) -> Option<ScalarValue> {
    match data_type.is_numeric() {
        true => ScalarValue::max(data_type),
        false => None,
    }
}

fn wrong_bins(message: &str) -> SheafError {
    SheafError::user(message)
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
        .with_hint("histogram(x, [10, 20, 50])")
}

#[derive(Debug)]
struct Counts {
    what: What,
    bins: Option<Bins>,
    data_type: DataType,
    converter: RowConverter,
    counts: HashMap<OwnedRow, u64>,
    /// Bytes of the keys of `counts`.
    value_bytes: usize,
    is_distinct: bool,
}

impl Counts {
    fn add(&mut self, values: &ArrayRef, count_of: impl Fn(usize) -> u64) -> Result<()> {
        let rows = self.converter.convert_columns(&[Arc::clone(values)])?;
        let nulls = values.logical_nulls();
        for (index, row) in rows.iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                continue;
            }
            let row = match &self.bins {
                Some(bins) => bins.of_value(row.owned())?,
                None => row.owned(),
            };
            let row_bytes = row.as_ref().len();
            let entry = self.counts.entry(row);
            if matches!(entry, std::collections::hash_map::Entry::Vacant(_)) {
                self.value_bytes += row_bytes;
            }
            let count = entry.or_insert(0);
            *count = if self.is_distinct {
                1
            } else {
                *count + count_of(index)
            };
        }
        Ok(())
    }

    fn mode(&self) -> Result<ScalarValue> {
        let best = self
            .counts
            .iter()
            .max_by(|(a, a_count), (b, b_count)| a_count.cmp(b_count).then_with(|| b.cmp(a)));
        let Some((row, _)) = best else {
            return ScalarValue::try_from(&self.data_type);
        };
        ScalarValue::try_from_array(&self.values([row])?, 0)
    }

    fn histogram(&self) -> Result<ScalarValue> {
        if self.counts.is_empty() {
            return ScalarValue::try_from(&map_of(&self.data_type));
        }
        let bounds = self.bins.iter().flat_map(|bins| &bins.bounds);
        let empty = bounds.filter(|bound| !self.counts.contains_key(*bound));
        let empty = empty.map(|bound| (bound, &0));
        let mut counts: Vec<(&OwnedRow, &u64)> = self.counts.iter().chain(empty).collect();
        counts.sort_unstable();
        let values = self.values(counts.iter().map(|(row, _)| *row))?;
        let counts = counts.iter().map(|(_, count)| i64::try_from(**count).ok());
        let counts: Int64Array = counts.collect();
        let lengths = OffsetBuffer::from_lengths([values.len()]);
        let columns: Vec<ArrayRef> = vec![values, Arc::new(counts)];
        let entries = StructArray::try_new(entries_of(&self.data_type), columns, None)?;
        let field = match map_of(&self.data_type) {
            DataType::Map(field, _) => field,
            other => return internal_err!("{other} is no map"),
        };
        let map = MapArray::try_new(field, lengths, entries, None, true)?;
        Ok(ScalarValue::Map(Arc::new(map)))
    }

    /// `-Σ p log2 p`; of nothing 0, as DuckDB has it.
    #[expect(clippy::cast_precision_loss, reason = "shares of a number of rows")]
    fn entropy(&self) -> f64 {
        let total = self.counts.values().sum::<u64>() as f64;
        // In order, so that the sum does not depend on how values are hashed.
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        counts.sort_unstable();
        let bits = counts.iter().map(|count| {
            let share = *count as f64 / total;
            share * -share.log2()
        });
        bits.fold(0.0, |sum, bits| sum + bits)
    }

    /// The values of rows.
    fn values<'a>(&self, rows: impl IntoIterator<Item = &'a OwnedRow>) -> Result<ArrayRef> {
        let rows = rows.into_iter().map(OwnedRow::row);
        match self.converter.convert_rows(rows)?.into_iter().next() {
            Some(values) => Ok(values),
            None => internal_err!("rows of one value have a column"),
        }
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            // WITHIN GROUP gives the value again, as what it orders by.
            [values, ..] => self.add(values, |_| 1),
            _ => internal_err!("counts are of one argument"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, counts] = states else {
            return internal_err!("counts are two states");
        };
        let (values, counts) = (values.as_list::<i32>(), counts.as_list::<i32>());
        for group in 0..values.len() {
            if values.is_null(group) {
                continue;
            }
            let counts = counts.value(group);
            let counts = counts.as_primitive::<UInt64Type>();
            self.add(&values.value(group), |index| counts.value(index))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values(self.counts.keys())?;
        let counts: ArrayRef =
            Arc::new(UInt64Array::from_iter_values(self.counts.values().copied()));
        let list = |items: ArrayRef| -> Result<ScalarValue> {
            let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([items.len()]);
            Ok(ScalarValue::List(Arc::new(ListArray::try_new(
                item, offsets, items, None,
            )?)))
        };
        Ok(vec![list(values)?, list(counts)?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.what {
            What::Mode => self.mode(),
            What::Histogram => self.histogram(),
            What::Entropy => Ok(ScalarValue::Float64(Some(self.entropy()))),
        }
    }

    fn size(&self) -> usize {
        let entry_bytes = size_of::<(OwnedRow, u64)>() + 1;
        size_of_val(self) + self.value_bytes + self.counts.capacity() * entry_bytes
    }
}

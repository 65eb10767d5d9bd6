//! `regexp_extract(text, pattern [, group])`: the first match, or one of its groups.
//!
//! As in DuckDB, text without a match gives the empty text, and group 0 is the whole match.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use regex::{Regex, RegexBuilder};
use sheaf_base::SheafError;

use crate::shorthand::section;

/// Different patterns kept compiled during a batch, when the pattern is a column.
const PATTERNS_MAX: usize = 1000;
/// Bytes a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 10 << 20;

pub(super) fn function() -> ScalarUDF {
    ScalarUDF::from(RegexpExtract {
        signature: Signature::one_of(
            vec![
                TypeSignature::Exact(vec![DataType::Utf8View, DataType::Utf8View]),
                TypeSignature::Exact(vec![DataType::Utf8View, DataType::Utf8View, DataType::Int64]),
            ],
            Volatility::Immutable,
        ),
        documentation: Documentation::builder(
            section("Regular Expression Functions"),
            "The first match of a regular expression, or one of its groups; an empty text if there is none.",
            "regexp_extract(text, pattern [, group])",
        )
        .with_sql_example("SELECT regexp_extract('a=12', '([a-z])=(\\d+)', 2); -- 12")
        .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RegexpExtract {
    signature: Signature,
    documentation: Documentation,
}

impl ScalarUDFImpl for RegexpExtract {
    fn name(&self) -> &'static str {
        "regexp_extract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        // Constants stay arrays of one value, of which each row takes the first.
        let arrays = args
            .args
            .iter()
            .map(|argument| match argument {
                ColumnarValue::Array(array) => Ok(Arc::clone(array)),
                ColumnarValue::Scalar(scalar) => scalar.to_array(),
            })
            .collect::<Result<Vec<_>>>()?;
        let rows = if is_constant { 1 } else { args.number_rows };
        let found = extract(&arrays, rows)?;
        if is_constant {
            let value = datafusion::common::ScalarValue::try_from_array(&found, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(found))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn extract(arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let [texts, patterns] = [0, 1].map(|i| cast(&arrays[i], &DataType::Utf8View));
    let (texts, patterns) = (texts?, patterns?);
    let (texts, patterns) = (texts.as_string_view(), patterns.as_string_view());
    let groups = arrays
        .get(2)
        .map(|groups| groups.as_primitive::<Int64Type>());
    let place = |array: &dyn Array, row: usize| if array.len() == 1 { 0 } else { row };
    let mut compiled: HashMap<&str, Regex> = HashMap::new();
    let mut found = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        let (text, pattern) = (place(texts, row), place(patterns, row));
        let group = groups.map(|groups| (groups, place(groups, row)));
        let has_null = texts.is_null(text)
            || patterns.is_null(pattern)
            || group.is_some_and(|(groups, row)| groups.is_null(row));
        if has_null {
            found.append_null();
            continue;
        }
        let group = group.map_or(0, |(groups, row)| groups.value(row));
        let pattern = patterns.value(pattern);
        if compiled.len() >= PATTERNS_MAX && !compiled.contains_key(pattern) {
            compiled.clear();
        }
        let regex = match compiled.entry(pattern) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(compile(pattern)?),
        };
        found.append_value(first_match(regex, texts.value(text), group)?);
    }
    Ok(Arc::new(found.finish()))
}

/// Compiles a pattern that a user wrote.
pub(super) fn compile(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| {
            DataFusionError::from(
                SheafError::user(format!("'{pattern}' is not a regular expression"))
                    .with_detail(error.to_string()),
            )
        })
}

fn first_match<'t>(regex: &Regex, text: &'t str, group: i64) -> Result<&'t str> {
    // Without groups to tell apart, finding the match is several times faster.
    if group == 0 {
        return Ok(regex.find(text).map_or("", |found| found.as_str()));
    }
    let index = group_index(regex, group)?;
    let groups = regex.captures(text);
    Ok(groups
        .and_then(|groups| groups.get(index))
        .map_or("", |found| found.as_str()))
}

/// The number of a group of the pattern.
pub(super) fn group_index(regex: &Regex, group: i64) -> Result<usize> {
    usize::try_from(group)
        .ok()
        .filter(|index| *index < regex.captures_len())
        .ok_or_else(|| {
            SheafError::user(format!(
                "'{regex}' has no group {group}; its last is {}",
                regex.captures_len() - 1
            ))
            .into()
        })
}

//! Regular expressions that give lists, and those that fit a whole text:
//! `regexp_split_to_array`, `regexp_extract_all`, `regexp_full_match`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, utils::take_function_args};
use datafusion::functions::expr_fn::{concat, regexp_like};
use datafusion::logical_expr::{ScalarUDF, lit};
use regex::Regex;

use super::regexp_extract::{compile, group_index};
use crate::kernel::{Kernel, rows};
use crate::shorthand::Shorthand;

const SECTION: &str = "Regular Expression Functions";
const TEXT: DataType = DataType::Utf8View;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        Kernel::new(
            "regexp_split_to_array",
            &[&[TEXT, TEXT]],
            list_of_texts,
            split,
        )
        .with_aliases(&["string_split_regex", "str_split_regex"])
        .documented(
            SECTION,
            "The texts between the matches of a regular expression.",
            "regexp_split_to_array(text, pattern)",
            "SELECT regexp_split_to_array('a1b22c', '[0-9]+'); -- [a, b, c]",
        )
        .build(),
        Kernel::new(
            "regexp_extract_all",
            &[&[TEXT, TEXT], &[TEXT, TEXT, DataType::Int64]],
            list_of_texts,
            extract_all,
        )
        .documented(
            SECTION,
            "All matches of a regular expression, or one group of each.",
            "regexp_extract_all(text, pattern [, group])",
            "SELECT regexp_extract_all('a1b22', '[0-9]+'); -- [1, 22]",
        )
        .build(),
        Shorthand::new(
            "regexp_full_match",
            2,
            |_| Ok(DataType::Boolean),
            |arguments, _| {
                let [text, pattern] = take_function_args("regexp_full_match", arguments)?;
                let whole = concat(vec![lit("^(?:"), pattern, lit(")$")]);
                Ok(regexp_like(text, whole, None))
            },
        )
        .documented(
            SECTION,
            "Whether a regular expression matches the whole text.",
            "regexp_full_match(text, pattern)",
        )
        .build(),
    ]
}

fn list_of_texts(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(TEXT, true))))
}

/// A list a row; the pattern is compiled again only where it changes.
fn lists(
    arrays: &[ArrayRef],
    count: usize,
    mut fill: impl FnMut(&Regex, &str, usize, &mut StringViewBuilder) -> Result<()>,
) -> Result<ArrayRef> {
    let mut found = ListBuilder::with_capacity(StringViewBuilder::new(), count);
    let mut compiled: Option<(String, Regex)> = None;
    for row in 0..count {
        if !rows::is_complete(arrays, row) {
            found.append_null();
            continue;
        }
        let pattern = rows::text(&arrays[1], row);
        let regex = match compiled.take() {
            Some((known, regex)) if known == pattern => regex,
            _ => compile(pattern)?,
        };
        fill(&regex, rows::text(&arrays[0], row), row, found.values())?;
        compiled = Some((pattern.to_owned(), regex));
        found.append(true);
    }
    Ok(Arc::new(found.finish()))
}

fn split(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    lists(arrays, count, |regex, text, _, parts| {
        regex.split(text).for_each(|part| parts.append_value(part));
        Ok(())
    })
}

fn extract_all(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    let groups = arrays
        .get(2)
        .map(|groups| groups.as_primitive::<Int64Type>());
    lists(arrays, count, |regex, text, row, found| {
        let group = groups.map_or(0, |groups| groups.value(row));
        let index = group_index(regex, group)?;
        for captures in regex.captures_iter(text) {
            let part = captures.get(index).map_or("", |part| part.as_str());
            found.append_value(part);
        }
        Ok(())
    })
}

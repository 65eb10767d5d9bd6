//! Casts from texts to lists: `'{1,2}'::int[]`, `'[1, 2]'::int[]`. The engine would make a list of one
//! element of each text.
//!
//! The forms of the texts are those of `sheaf_base::list_text`; an element is cast as a text of its own
//! would be, an empty one in quotes is an empty text. The function has no name that users could call: the
//! analyzer (`sheaf-optimizer`'s `lists` rule) puts it in the place of casts.
//!
//! A batch is read into the texts of all its elements, beside the ends of its lists, and these texts are cast
//! at once. What that takes is a multiple of the texts, which is the same for all types.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, LargeBinaryBuilder, LargeStringArray, ListArray, StringViewArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, can_cast_types, cast, cast_with_options};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::format::DEFAULT_CAST_OPTIONS;
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::list_text::{self, Part};
use sheaf_base::type_names::is_variant;
use sheaf_base::uuid::is_uuid;

use crate::scalar::bytes::{no_bytes, parse_bytea};
use crate::uuid;

/// The list that a text writes; with `is_try` those that write none are NULL, not errors. `target` is a type
/// that [`reads`].
#[must_use]
pub fn to_list(text: Expr, target: DataType, is_try: bool) -> Expr {
    let function = ScalarUDF::from(ReadList {
        target,
        is_try,
        signature: Signature::any(1, Volatility::Immutable),
    });
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), vec![text]))
}

/// Whether texts can be read as values of a type: lists, within one another or not, of what a text can be cast
/// to.
#[must_use]
pub fn reads(target: &DataType) -> bool {
    let levels = levels(target);
    levels.last().is_some_and(|item| {
        let own = item.data_type();
        let is_plain = !own.is_nested() && can_cast_types(&DataType::LargeUtf8, own);
        (is_plain && !is_variant(item) || is_uuid(own)) && levels.len() <= list_text::DEPTH_MAX
    })
}

/// The items of a list, of the lists that these are, and so on.
fn levels(target: &DataType) -> Vec<&FieldRef> {
    let mut levels = vec![];
    let mut next = target;
    while let DataType::List(item) = next {
        levels.push(item);
        next = item.data_type();
    }
    levels
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ReadList {
    target: DataType,
    is_try: bool,
    signature: Signature,
}

impl ScalarUDFImpl for ReadList {
    fn name(&self) -> &'static str {
        match self.is_try {
            true => "try_cast_to_list",
            false => "cast_to_list",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts] = take_function_args(self.name(), args.args)?;
        let is_constant = matches!(texts, ColumnarValue::Scalar(_));
        let texts = match texts {
            ColumnarValue::Scalar(text) => text.to_array()?,
            ColumnarValue::Array(texts) => texts,
        };
        let texts = cast(&texts, &DataType::Utf8View)?;
        let lists = self.read(texts.as_string_view())?;
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&lists, 0)?),
            false => ColumnarValue::Array(lists),
        })
    }
}

impl ReadList {
    fn read(&self, texts: &StringViewArray) -> Result<ArrayRef> {
        let levels = levels(&self.target);
        let Some(item) = levels.last() else {
            return Err(SheafError::internal("a cast to a list, which is to none").into());
        };
        let mut lists = Lists::new(levels.len());
        // Behind the elements of each text.
        let mut ends = Vec::with_capacity(texts.len());
        for text in texts {
            match text.filter(|text| !self.is_try || is_list(text, levels.len())) {
                Some(text) => {
                    list_text::read_list(text, levels.len(), &mut |part| lists.add(part)).map_err(
                        |detail| {
                            let error = list_text::malformed(text, detail);
                            error.with_hint("try_cast gives NULL instead")
                        },
                    )?;
                }
                None => lists.add(Part::Item(None)),
            }
            ends.push(lists.items.count());
        }
        let (items, lists) = lists.into_items()?;
        let values = self.values(&items, item.data_type())?;
        if self.is_try && values.null_count() > items.null_count() {
            return self.read(&without_failed(texts, &ends, &items, &values));
        }
        lists_of(lists, &levels, values)
    }

    /// The elements; those that are no values of their type are NULL, if this is tried.
    fn values(&self, texts: &LargeStringArray, item: &DataType) -> Result<ArrayRef> {
        match item {
            own if is_uuid(own) => {
                let texts: ArrayRef = Arc::new(texts.clone());
                uuid::parse(&[texts], self.is_try)
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Ok(cast(&self.bytes(texts)?, item)?)
            }
            item => {
                let options = CastOptions {
                    safe: self.is_try,
                    ..DEFAULT_CAST_OPTIONS
                };
                Ok(cast_with_options(texts, item, &options)?)
            }
        }
    }

    fn bytes(&self, texts: &LargeStringArray) -> Result<ArrayRef> {
        let mut found = LargeBinaryBuilder::with_capacity(texts.len(), 0);
        for text in texts {
            let bytes = text.and_then(parse_bytea);
            if let (Some(text), None, false) = (text, bytes.as_ref(), self.is_try) {
                return Err(no_bytes(text));
            }
            found.append_option(bytes);
        }
        Ok(Arc::new(found.finish()))
    }
}

fn is_list(text: &str, depth: usize) -> bool {
    list_text::read_list(text, depth, &mut |_| {}).is_ok()
}

/// `texts` with NULL in the place of those that have an element whose value could not be read.
fn without_failed(
    texts: &StringViewArray,
    ends: &[usize],
    items: &LargeStringArray,
    values: &ArrayRef,
) -> StringViewArray {
    let mut start = 0;
    let kept = texts.iter().zip(ends).map(|(text, end)| {
        let mut own = std::mem::replace(&mut start, *end)..*end;
        let has_failed = own.any(|at| items.is_valid(at) && values.is_null(at));
        text.filter(|_| !has_failed)
    });
    kept.collect()
}

/// Lists of lists whose innermost items are `values`.
fn lists_of(ends: Vec<Ends>, levels: &[&FieldRef], values: ArrayRef) -> Result<ArrayRef> {
    let mut values = values;
    for (ends, item) in ends.into_iter().zip(levels.iter().copied()).rev() {
        let nulls = ends.nulls();
        let offsets: Result<Vec<i32>, _> = ends.ends.into_iter().map(i32::try_from).collect();
        let offsets = offsets.map_err(|_| too_many())?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        values = Arc::new(ListArray::try_new(
            Arc::clone(item),
            offsets,
            values,
            nulls,
        )?);
    }
    Ok(values)
}

fn too_many() -> SheafError {
    SheafError::resource("the lists of a batch have too many elements")
        .with_state(SqlState::PROGRAM_LIMIT)
}

/// What texts of lists hold: where their lists end, by depth, outermost first, and the texts of their items.
struct Lists {
    lists: Vec<Ends>,
    items: Ends,
    texts: String,
    /// Lists that have begun and not ended.
    open: usize,
}

/// Where each of some values ends among what they are made of, behind a 0, and whether it is not NULL.
struct Ends {
    ends: Vec<usize>,
    are_valid: Vec<bool>,
}

impl Ends {
    fn new() -> Self {
        Self {
            ends: vec![0],
            are_valid: vec![],
        }
    }

    fn count(&self) -> usize {
        self.are_valid.len()
    }

    fn push(&mut self, end: usize, is_valid: bool) {
        self.ends.push(end);
        self.are_valid.push(is_valid);
    }

    fn nulls(&self) -> Option<NullBuffer> {
        let has_some = self.are_valid.contains(&false);
        has_some.then(|| NullBuffer::from(self.are_valid.as_slice()))
    }
}

impl Lists {
    fn new(depth: usize) -> Self {
        Self {
            lists: (0..depth).map(|_| Ends::new()).collect(),
            items: Ends::new(),
            texts: String::new(),
            open: 0,
        }
    }

    /// Adds what a text says next. Beneath all lists NULL is an item, above them a list.
    fn add(&mut self, part: Part<'_>) {
        match part {
            Part::Open => self.open += 1,
            Part::Close => {
                self.open = self.open.saturating_sub(1);
                self.end_list(true);
            }
            Part::Item(None) if self.open < self.lists.len() => self.end_list(false),
            Part::Item(item) => {
                self.texts.push_str(item.unwrap_or_default());
                self.items.push(self.texts.len(), item.is_some());
            }
        }
    }

    /// A list ends that lies within those that are open.
    fn end_list(&mut self, is_valid: bool) {
        let within = self.lists.get(self.open + 1);
        let end = within.unwrap_or(&self.items).count();
        if let Some(lists) = self.lists.get_mut(self.open) {
            lists.push(end, is_valid);
        }
    }

    /// The texts of the items, and where the lists end.
    fn into_items(self) -> Result<(LargeStringArray, Vec<Ends>)> {
        let nulls = self.items.nulls();
        let ends = self.items.ends.into_iter().map(i64::try_from);
        let ends: Vec<i64> = ends.collect::<Result<_, _>>().map_err(|_| too_many())?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let texts = Buffer::from(self.texts.into_bytes());
        let items = LargeStringArray::try_new(offsets, texts, nulls)?;
        Ok((items, self.lists))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::types::Int32Type;
    use arrow::datatypes::Fields;

    use super::*;

    fn list_of(item: DataType) -> DataType {
        DataType::new_list(item, true)
    }

    fn read(texts: &[Option<&str>], target: DataType, is_try: bool) -> Result<ArrayRef> {
        assert!(reads(&target));
        let function = ReadList {
            target,
            is_try,
            signature: Signature::any(1, Volatility::Immutable),
        };
        function.read(&texts.iter().copied().collect())
    }

    #[test]
    fn a_batch_of_texts_becomes_lists() {
        let texts = [
            Some("{1,NULL}"),
            None,
            Some("{}"),
            Some("[3]"),
            Some("{NULL}"),
        ];
        let lists = read(&texts, list_of(DataType::Int32), false).unwrap();
        let expected = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(3)]),
            Some(vec![None]),
        ]);
        assert_eq!(lists.as_list::<i32>(), &expected);
    }

    #[test]
    fn lists_lie_within_lists() {
        let target = list_of(list_of(DataType::Int32));
        let texts = [Some("[[1], NULL, [], [2, NULL]]"), Some("{{3,4},{5,6}}")];
        let lists = read(&texts, target, false).unwrap();
        let outer = lists.as_list::<i32>();
        assert_eq!(outer.value_offsets(), [0, 4, 6]);
        let expected = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1)]),
            None,
            Some(vec![]),
            Some(vec![Some(2), None]),
            Some(vec![Some(3), Some(4)]),
            Some(vec![Some(5), Some(6)]),
        ]);
        assert_eq!(outer.values().as_list::<i32>(), &expected);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_or_null() {
        let texts = [Some("{1}"), Some("{2,x}"), Some("{3"), Some("{4}"), None];
        let tried = read(&texts, list_of(DataType::Int32), true).unwrap();
        let expected = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1)]),
            None,
            None,
            Some(vec![Some(4)]),
            None,
        ]);
        assert_eq!(tried.as_list::<i32>(), &expected);
        for broken in ["{x}", "{1", "{{1}}"] {
            let error = read(&[Some(broken)], list_of(DataType::Int32), false).unwrap_err();
            assert_eq!(SheafError::from(error).state().code(), "22P02", "{broken}");
        }
        let uuids = list_of(sheaf_base::uuid::UUID);
        let nothing = read(&[Some("{x}")], uuids.clone(), true).unwrap();
        assert!(nothing.is_null(0) && read(&[Some("{x}")], uuids, false).is_err());
        assert!(read(&[Some("{\\\\x0}")], list_of(DataType::Binary), false).is_err());
    }

    #[test]
    fn what_no_text_can_be_cast_to_is_not_read() {
        assert!(!reads(&DataType::Int32));
        assert!(!reads(&list_of(DataType::Struct(Fields::empty()))));
        let deep = (0..7).fold(DataType::Int32, |item, _| list_of(item));
        assert!(!reads(&deep));
    }
}

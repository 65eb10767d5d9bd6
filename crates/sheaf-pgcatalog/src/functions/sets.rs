//! Functions that give rows.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::{ACL_ARRAY, ANY, ANYARRAY, Call, elements};
use crate::types::{BOOL, INT4, INT8, NAME, OID, Oid, REGCLASS, TEXT};
use crate::value::{Row, Value};

/// Rows that one call may give.
const ROWS_MAX: u64 = 1_000_000;

/// A function that gives rows.
#[derive(Debug)]
pub(crate) struct SetFunction {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [Oid],
    /// The columns of its rows, one of type 0 being that of its argument's elements.
    pub(crate) columns: &'static [(&'static str, Oid)],
    pub(crate) call: SetCallback,
}

/// Rows, made when they are asked for.
pub(crate) type SetRows<'c> = Box<dyn Iterator<Item = Row> + 'c>;
type SetCallback = for<'c> fn(&'c Call<'c>) -> Result<SetRows<'c>>;

const fn of(
    name: &'static str,
    arguments: &'static [Oid],
    columns: &'static [(&'static str, Oid)],
    call: SetCallback,
) -> SetFunction {
    SetFunction {
        name,
        arguments,
        columns,
        call,
    }
}

/// Every function that gives rows.
pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    of("unnest", &[ANYARRAY], &[("unnest", 0)], unnest),
    of(
        "generate_series",
        &[INT4, INT4],
        &[("generate_series", INT4)],
        series,
    ),
    of(
        "generate_series",
        &[INT8, INT8],
        &[("generate_series", INT8)],
        series,
    ),
    of(
        "generate_series",
        &[INT8, INT8, INT8],
        &[("generate_series", INT8)],
        series,
    ),
    of(
        "generate_subscripts",
        &[ANYARRAY, INT4],
        &[("generate_subscripts", INT4)],
        subscripts,
    ),
    of(
        "generate_subscripts",
        &[ANYARRAY, INT4, BOOL],
        &[("generate_subscripts", INT4)],
        subscripts,
    ),
    of(
        "_pg_expandarray",
        &[ANYARRAY],
        &[("x", 0), ("n", INT4)],
        expand,
    ),
    of(
        "pg_partition_ancestors",
        &[REGCLASS],
        &[("relid", REGCLASS)],
        nothing,
    ),
    of(
        "pg_partition_tree",
        &[REGCLASS],
        &[
            ("relid", REGCLASS),
            ("parentrelid", REGCLASS),
            ("isleaf", BOOL),
            ("level", INT4),
        ],
        nothing,
    ),
    of(
        "pg_options_to_table",
        &[ANYARRAY],
        &[("option_name", TEXT), ("option_value", TEXT)],
        options,
    ),
    of(
        "aclexplode",
        &[ACL_ARRAY],
        &[
            ("grantor", OID),
            ("grantee", OID),
            ("privilege_type", TEXT),
            ("is_grantable", BOOL),
        ],
        nothing,
    ),
    of(
        "pg_available_extensions",
        &[],
        &[("name", NAME), ("default_version", TEXT), ("comment", TEXT)],
        nothing,
    ),
    of(
        "pg_get_keywords",
        &[],
        &[
            ("word", TEXT),
            ("catcode", 18),
            ("barelabel", BOOL),
            ("catdesc", TEXT),
            ("baredesc", TEXT),
        ],
        nothing,
    ),
    of(
        "pg_get_publication_tables",
        &[ANY],
        &[("relid", OID), ("attrs", 22), ("qual", TEXT)],
        nothing,
    ),
    of(
        "pg_tablespace_databases",
        &[OID],
        &[("pg_tablespace_databases", OID)],
        nothing,
    ),
];

fn nothing<'c>(_: &'c Call<'c>) -> Result<SetRows<'c>> {
    Ok(Box::new(std::iter::empty()))
}

fn unnest<'c>(call: &'c Call<'c>) -> Result<SetRows<'c>> {
    let elements = elements(call.value(0)).iter();
    Ok(Box::new(elements.map(|value| vec![value.clone()])))
}

fn series<'c>(call: &'c Call<'c>) -> Result<SetRows<'c>> {
    let (first, last) = (call.int(0), call.int(1));
    let step = call.value(2).as_int().unwrap_or(1);
    if step == 0 {
        return Err(SheafError::user("step size cannot equal zero")
            .with_state(SqlState::INVALID_PARAMETER_VALUE));
    }
    let is_over = move |number: i64| match step > 0 {
        true => number > last,
        false => number < last,
    };
    let count = match is_over(first) {
        true => 0,
        false => first.abs_diff(last) / step.unsigned_abs(),
    };
    if count >= ROWS_MAX {
        return Err(SheafError::resource(format!(
            "generate_series would give more than {ROWS_MAX} rows in a statement about the catalogue"
        ))
        .with_state(SqlState::PROGRAM_LIMIT));
    }
    // Past the largest number there is no other.
    let numbers = std::iter::successors(Some(first), move |number| number.checked_add(step));
    let numbers = numbers.take_while(move |number| !is_over(*number));
    Ok(Box::new(numbers.map(|number| vec![Value::Int(number)])))
}

fn subscripts<'c>(call: &'c Call<'c>) -> Result<SetRows<'c>> {
    let Some(array) = call.value(0).as_array().filter(|_| call.int(1) == 1) else {
        return nothing(call);
    };
    let (lower, count) = (array.lower, array.elements.len());
    let number = move |index: usize| {
        let number = i64::try_from(index).ok().and_then(|i| lower.checked_add(i));
        vec![Value::from(number)]
    };
    Ok(match call.value(2).is_true() {
        true => Box::new((0..count).rev().map(number)),
        false => Box::new((0..count).map(number)),
    })
}

/// Elements with their numbers from 1, whatever the array begins at.
fn expand<'c>(call: &'c Call<'c>) -> Result<SetRows<'c>> {
    let numbered = (1..).zip(elements(call.value(0)));
    Ok(Box::new(numbered.map(|(number, value)| {
        vec![value.clone(), Value::Int(number)]
    })))
}

/// Options as `name=value`.
fn options<'c>(call: &'c Call<'c>) -> Result<SetRows<'c>> {
    let options = elements(call.value(0)).iter().filter_map(Value::as_str);
    Ok(Box::new(options.map(
        |option| match option.split_once('=') {
            Some((name, value)) => vec![name.into(), value.into()],
            None => vec![option.into(), Value::Null],
        },
    )))
}

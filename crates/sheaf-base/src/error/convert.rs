//! Translation of the engine's errors into Sheaf's, and back for the way through an operator.
//!
//! DataFusion, Arrow, Parquet and object stores each have an error enum that says where an error
//! arose; users need to know what to do. Every variant is mapped once, here.

use arrow::datatypes::DataType as ArrowType;
use arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use parquet::errors::ParquetError;

use super::{ErrorKind, Position, SheafError, SqlState};
use crate::suggest::nearest;
use crate::type_names::sql_type_name;

impl From<SheafError> for DataFusionError {
    fn from(error: SheafError) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<DataFusionError> for SheafError {
    fn from(error: DataFusionError) -> Self {
        let position = error
            .diagnostic()
            .and_then(|d| d.span)
            .map(|span| Position {
                line: span.start.line,
                column: span.start.column,
            });
        let mut sheaf = translate(error);
        if sheaf.0.position.is_none() {
            sheaf.0.position = position;
        }
        sheaf
    }
}

fn translate(error: DataFusionError) -> SheafError {
    match error {
        DataFusionError::External(inner) => translate_external(inner),
        DataFusionError::Diagnostic(_, inner) => translate(*inner),
        DataFusionError::Context(context, inner) => translate_context(&context, *inner),
        DataFusionError::Shared(inner) => translate_shared(&inner),
        DataFusionError::Collection(errors) => errors.into_iter().next().map_or_else(
            || SheafError::internal("an empty collection of errors"),
            translate,
        ),
        DataFusionError::ArrowError(inner, _) => SheafError::from(*inner),
        DataFusionError::ParquetError(inner) => SheafError::from(*inner),
        DataFusionError::ObjectStore(inner) => SheafError::from(*inner),
        DataFusionError::IoError(inner) => SheafError::from(inner),
        DataFusionError::SQL(inner, _) => SheafError::from(*inner),
        DataFusionError::SchemaError(inner, _) => translate_schema(&inner),
        DataFusionError::NotImplemented(message) => translate_not_implemented(&message),
        DataFusionError::Plan(message) => translate_plan(message),
        DataFusionError::Configuration(message) => {
            SheafError::user(lower_first(&message)).with_state(SqlState::INVALID_PARAMETER_VALUE)
        }
        DataFusionError::Execution(message) => translate_execution(&message),
        DataFusionError::ExecutionJoin(inner) => {
            SheafError::internal(format!("a task of the query failed: {inner}"))
        }
        DataFusionError::ResourcesExhausted(message) => out_of_memory(message),
        DataFusionError::Internal(message) => internal(message),
        other => internal(other.strip_backtrace()),
    }
}

fn translate_not_implemented(message: &str) -> SheafError {
    match message.strip_prefix("Unsupported SQL type ") {
        Some(name) => unknown_type(name),
        None => SheafError::unsupported(format!("not supported: {}", lower_first(message))),
    }
}

/// The names of types that a hint may propose.
const TYPE_NAMES: &[&str] = &[
    "bigint",
    "boolean",
    "bytea",
    "date",
    "decimal",
    "double",
    "float",
    "int",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "tinyint",
    "uuid",
    "varchar",
];

fn unknown_type(name: &str) -> SheafError {
    let error = SheafError::user(format!("type \"{name}\" does not exist"))
        .with_state(SqlState::UNDEFINED_OBJECT);
    match nearest(name, TYPE_NAMES.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint(format!("types are {}", TYPE_NAMES.join(", "))),
    }
}

fn translate_external(inner: Box<dyn std::error::Error + Send + Sync>) -> SheafError {
    let inner = match inner.downcast::<SheafError>() {
        Ok(error) => return *error,
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<DataFusionError>() {
        Ok(error) => return SheafError::from(*error),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<ArrowError>() {
        Ok(error) => return SheafError::from(*error),
        Err(inner) => inner,
    };
    SheafError::data(inner.to_string())
}

/// Errors behind an `Arc` (several partitions of one join fail alike) cannot be taken apart.
fn translate_shared(inner: &DataFusionError) -> SheafError {
    match inner.find_root() {
        DataFusionError::External(root) => match root.downcast_ref::<SheafError>() {
            Some(error) => error.clone(),
            None => SheafError::data(root.to_string()),
        },
        DataFusionError::ResourcesExhausted(message) => out_of_memory(message.clone()),
        DataFusionError::Execution(message) => translate_execution(message),
        DataFusionError::IoError(inner) => translate_io(inner),
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::IoError(_, inner) => translate_io(inner),
            other => translate_arrow_message(&other.to_string()),
        },
        root => SheafError::data(root.strip_backtrace()),
    }
}

fn translate_context(context: &str, inner: DataFusionError) -> SheafError {
    let error = SheafError::from(inner);
    match error.kind() {
        // The engine's contexts name optimizer rules and operators: of use to us, not to users.
        ErrorKind::Internal => error.with_context(lower_first(context)),
        _ => error,
    }
}

fn translate_schema(error: &SchemaError) -> SheafError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => column_not_found(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            SheafError::user(format!("column \"{}\" is ambiguous", field.name))
                .with_state(SqlState::AMBIGUOUS_COLUMN)
                .with_hint(format!("say which table's: table.{}", field.name))
        }
        SchemaError::DuplicateUnqualifiedField { name } => {
            SheafError::user(format!("two columns are called \"{name}\""))
                .with_hint("give one of them another name with AS")
        }
        other => SheafError::user(lower_first(&other.to_string())),
    }
}

fn column_not_found(field: &Column, valid_fields: &[Column]) -> SheafError {
    let error = SheafError::user(format!("column \"{}\" does not exist", field.flat_name()))
        .with_state(SqlState::UNDEFINED_COLUMN);
    let names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
    if let Some(name) = nearest(&field.name, names.iter().copied()) {
        return error.with_hint(format!("did you mean \"{name}\"?"));
    }
    match names.len() {
        0 => error,
        1..=12 => error.with_hint(format!("the columns are {}", names.join(", "))),
        more => error.with_hint(format!(
            "the columns are {}, … ({more})",
            names[..12].join(", ")
        )),
    }
}

fn translate_plan(message: String) -> SheafError {
    if let Some(rest) = message.strip_prefix("Invalid function '") {
        return unknown_function(rest);
    }
    if let Some(call) = refused_call(&message) {
        return call;
    }
    let error = SheafError::user(lower_first(&message));
    if message.contains("No function matches") || message.contains("Invalid function") {
        error.with_state(SqlState::UNDEFINED_FUNCTION)
    } else if message.contains("must be in GROUP BY") || message.contains("in the GROUP BY clause")
    {
        error.with_state(SqlState::GROUPING_ERROR)
    } else if message.to_lowercase().contains("cannot coerce")
        || message.contains("cannot be coerced")
        || message.contains("coercion")
        || message.contains("Inconsistent data type across values list")
    {
        error.with_state(SqlState::DATATYPE_MISMATCH)
    } else {
        error
    }
}

/// Functions whose arguments are of one type, whatever it is.
const ALIKE: &[&str] = &[
    "coalesce",
    "greatest",
    "least",
    "make_array",
    "nullif",
    "nvl",
    "ifnull",
];

/// Reads `… the given name and argument types 'coalesce(Int64, Date32)'. You might …`.
fn refused_call(message: &str) -> Option<SheafError> {
    let (_, rest) = message.split_once("the given name and argument types '")?;
    let (call, _) = rest.split_once("'. ")?;
    let (name, types) = call.strip_suffix(')')?.split_once('(')?;
    ALIKE.contains(&name).then(|| {
        let name = if name == "make_array" { "a list" } else { name };
        SheafError::user(format!("{name} cannot be of different types: {types}"))
            .with_state(SqlState::DATATYPE_MISMATCH)
            .with_hint("cast one of them")
    })
}

/// Reads what follows in `Invalid function 'nme'.\nDid you mean 'name'?`; the engine always names
/// some function, however far.
fn unknown_function(rest: &str) -> SheafError {
    let name = rest.split('\'').next().unwrap_or_default();
    let error = SheafError::user(format!("function \"{name}\" does not exist"))
        .with_state(SqlState::UNDEFINED_FUNCTION);
    let proposed = rest.split('\'').nth(2);
    match proposed.and_then(|proposed| nearest(name, [proposed])) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("SELECT name, description FROM sheaf.functions lists them"),
    }
}

fn translate_execution(message: &str) -> SheafError {
    if message.to_lowercase().contains("divide by zero") {
        return division_by_zero();
    }
    SheafError::data(lower_first(message))
}

fn translate_arrow_message(message: &str) -> SheafError {
    let error = SheafError::data(lower_first(strip_arrow_prefix(message)));
    if message.contains("too large to store") || message.contains("verflow") {
        return error.with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
    }
    error
}

impl From<ArrowError> for SheafError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => translate_external(inner),
            ArrowError::DivideByZero => division_by_zero(),
            ArrowError::ArithmeticOverflow(message) => Self::data(format!(
                "the result is out of range: {}",
                lower_first(&message)
            ))
            .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
            ArrowError::CastError(message) => translate_cast(&message),
            ArrowError::NotYetImplemented(message) => {
                Self::unsupported(format!("not supported: {}", lower_first(&message)))
            }
            ArrowError::IoError(_, inner) => Self::from(inner),
            ArrowError::MemoryError(message) => out_of_memory(message),
            other => translate_arrow_message(&other.to_string()),
        }
    }
}

impl From<ParquetError> for SheafError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => translate_external(inner),
            other => Self::data(lower_first(
                other.to_string().trim_start_matches("Parquet error: "),
            ))
            .with_state(SqlState::BAD_COPY_FILE_FORMAT),
        }
    }
}

impl From<object_store::Error> for SheafError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => {
                Self::user(format!("no such file: {path}")).with_state(SqlState::UNDEFINED_FILE)
            }
            object_store::Error::PermissionDenied { path, .. }
            | object_store::Error::Unauthenticated { path, .. } => {
                Self::data(format!("permission denied: {path}"))
                    .with_state(SqlState::IO_ERROR)
                    .with_hint("check the file's rights, or the credentials in the environment")
            }
            other => Self::data(lower_first(&other.to_string())).with_state(SqlState::IO_ERROR),
        }
    }
}

impl From<std::io::Error> for SheafError {
    fn from(error: std::io::Error) -> Self {
        translate_io(&error)
    }
}

fn translate_io(error: &std::io::Error) -> SheafError {
    // Ours, on its way through a writer.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(sheaf) = inner {
        return SheafError::clone(sheaf);
    }
    let message = lower_first(&error.to_string());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            SheafError::resource(message).with_state(SqlState::DISK_FULL)
        }
        std::io::ErrorKind::NotFound => {
            SheafError::user(message).with_state(SqlState::UNDEFINED_FILE)
        }
        _ => SheafError::data(message).with_state(SqlState::IO_ERROR),
    }
}

impl From<ParserError> for SheafError {
    fn from(error: ParserError) -> Self {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
        };
        // The parser ends its messages with the place, as text.
        let (text, position) = match message.rsplit_once(" at Line: ") {
            Some((text, place)) => (text.to_owned(), parse_place(place)),
            None => (message, None),
        };
        let error = Self::user(format!("syntax error: {}", lower_first(text.trim())))
            .with_state(SqlState::SYNTAX_ERROR);
        match position {
            Some(position) => error.with_position(position),
            None => error,
        }
    }
}

/// Reads `3, Column: 17`.
fn parse_place(place: &str) -> Option<Position> {
    let (line, column) = place.split_once(", Column: ")?;
    let position = Position {
        line: line.trim().parse().ok()?,
        column: column.trim().parse().ok()?,
    };
    (position.line > 0).then_some(position)
}

/// Arrow says `Cannot cast string 'x' to value of Int32 type`.
fn translate_cast(message: &str) -> SheafError {
    let cast = message
        .strip_prefix("Cannot cast string ")
        .and_then(|rest| rest.rsplit_once(" to value of "))
        .and_then(|(value, data_type)| {
            let data_type: ArrowType = data_type.strip_suffix(" type")?.parse().ok()?;
            Some((value, data_type))
        });
    let is_whole_too_large = cast
        .as_ref()
        .is_some_and(|(value, data_type)| data_type.is_integer() && is_whole_number(value));
    // Of numbers it says `Can't cast value 300 to type Int8`.
    let number = message
        .strip_prefix("Can't cast value ")
        .and_then(|rest| rest.rsplit_once(" to type "))
        .and_then(|(value, data_type)| Some((value, data_type.parse().ok()?)))
        .map(|(value, data_type): (_, ArrowType)| {
            format!(
                "{value} is out of range for type {}",
                sql_type_name(&data_type)
            )
        });
    let date_state = cast.as_ref().and_then(|(value, data_type)| {
        let is_date = data_type.is_temporal() && !matches!(data_type, ArrowType::Interval(_));
        is_date.then(|| date_state(value))
    });
    let readable = cast.map(|(value, data_type)| {
        let type_name = sql_type_name(&data_type);
        match is_whole_too_large {
            true => format!("{value} is out of range for type {type_name}"),
            false => format!("{value} is not a value of type {type_name}"),
        }
    });
    let readable = readable.or(number);
    // Arrow refuses a number that is too large in several words, and texts in one.
    let is_number_out_of_range = is_whole_too_large
        || message.starts_with("Can't cast value")
        || message.contains("out of range")
        || message.contains("Overflowing");
    let state = match (is_number_out_of_range, date_state) {
        (_, Some(state)) => state,
        (true, None) => SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        (false, None) => SqlState::INVALID_TEXT_REPRESENTATION,
    };
    let error =
        SheafError::data(readable.unwrap_or_else(|| lower_first(message))).with_state(state);
    error.with_hint("try_cast gives NULL instead")
}

/// What is wrong with a text in quotes that is no date or time: if it is made like one, its numbers.
fn date_state(quoted: &str) -> SqlState {
    let text = quoted.trim_matches('\'').trim();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let is_made_like_one = numbers.clone().filter(|number| !number.is_empty()).count() >= 2
        && numbers.next().is_some_and(|first| !first.is_empty())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "-/.: T+Z".contains(c));
    match is_made_like_one {
        true => SqlState::DATETIME_OVERFLOW,
        false => SqlState::INVALID_DATETIME_FORMAT,
    }
}

/// Whether a text in quotes is a whole number.
fn is_whole_number(quoted: &str) -> bool {
    let text = quoted.trim_matches('\'').trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn division_by_zero() -> SheafError {
    SheafError::data("division by zero")
        .with_state(SqlState::DIVISION_BY_ZERO)
        .with_hint("nullif(divisor, 0) gives NULL instead")
}

fn out_of_memory(message: String) -> SheafError {
    SheafError::resource("the query needs more memory than memory_limit allows")
        .with_state(SqlState::OUT_OF_MEMORY)
        .with_detail(message)
        .with_hint("SET memory_limit to more, SET threads to fewer, or select fewer columns")
}

fn internal(message: String) -> SheafError {
    SheafError::internal(message).with_hint("this is a fault in Sheaf; please report it")
}

fn strip_arrow_prefix(message: &str) -> &str {
    [
        "Csv error: ",
        "Json error: ",
        "Parser error: ",
        "Compute error: ",
        "Invalid argument error: ",
        "Schema error: ",
        "Parquet argument error: ",
        "Ipc error: ",
    ]
    .iter()
    .find_map(|prefix| message.strip_prefix(prefix))
    .unwrap_or(message)
}

/// Lower-cases the first letter of a sentence, but leaves acronyms and names (`JSON`, `Utf8`).
fn lower_first(message: &str) -> String {
    let word_end = message
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(message.len());
    let word = &message[..word_end];
    let is_sentence_case = word.chars().skip(1).all(|c| c.is_lowercase())
        && word.chars().next().is_some_and(char::is_uppercase);
    if is_sentence_case {
        let mut chars = message.chars();
        let first = chars
            .next()
            .map(|c| c.to_lowercase().to_string())
            .unwrap_or_default();
        first + chars.as_str()
    } else {
        message.to_owned()
    }
}

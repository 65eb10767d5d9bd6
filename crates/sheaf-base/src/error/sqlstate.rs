//! SQLSTATE codes: the five characters by which drivers tell errors apart.

use std::fmt;

/// A five-character SQLSTATE, named as in PostgreSQL's appendix "Error Codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(&'static str);

macro_rules! states {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        impl SqlState {
            $(#[doc = $doc] pub const $name: Self = Self($code);)*
        }
    };
}

states! {
    PROTOCOL_VIOLATION = "08P01", "A message that the protocol does not know, or not there.";
    FEATURE_NOT_SUPPORTED = "0A000", "A right statement that Sheaf cannot run.";
    DATA_EXCEPTION = "22000", "A value or a file is not what it should be.";
    DIVISION_BY_ZERO = "22012", "Division by zero.";
    NUMERIC_VALUE_OUT_OF_RANGE = "22003", "An arithmetic result does not fit its type.";
    INTERVAL_FIELD_OVERFLOW = "22015", "An interval outside its range.";
    INVALID_FRAME_OFFSET = "22013", "A window frame whose offset is NULL or less than 0.";
    INVALID_ARGUMENT_FOR_NTH_VALUE = "22016", "There is no row 0 in a window frame.";
    INVALID_REGULAR_EXPRESSION = "2201B", "A pattern that is no regular expression.";
    INVALID_ROW_COUNT_IN_LIMIT = "2201W", "A LIMIT of less than 0 rows.";
    INVALID_ROW_COUNT_IN_OFFSET = "2201X", "An OFFSET of less than 0 rows.";
    NULL_VALUE_NOT_ALLOWED = "22004", "NULL where a value has to be.";
    INVALID_DATETIME_FORMAT = "22007", "A text that is no date, time or interval.";
    DATETIME_OVERFLOW = "22008", "A date, time or interval outside its range.";
    INVALID_ESCAPE_SEQUENCE = "22025", "A pattern whose escape character escapes nothing.";
    INVALID_TEXT_REPRESENTATION = "22P02", "A text is no value of the type it is cast to.";
    INVALID_BINARY_REPRESENTATION = "22P03", "Bytes that are no value of the type they are sent as.";
    ARRAY_SUBSCRIPT = "2202E", "A list of lists that are not of one length.";
    UNTRANSLATABLE_CHARACTER = "22021", "Bytes that are no text.";
    BAD_COPY_FILE_FORMAT = "22P04", "A file is not in the format it is read as.";
    INVALID_PARAMETER_VALUE = "22023", "An option or setting has a value it cannot take.";
    ACTIVE_TRANSACTION = "25001", "A statement that no transaction block may hold, in one.";
    READ_ONLY = "25006", "A statement that writes, in a session that may only read.";
    NO_ACTIVE_TRANSACTION = "25P01", "A statement for transaction blocks, outside of one.";
    IN_FAILED_TRANSACTION = "25P02", "A statement in a transaction block that has failed.";
    IDLE_IN_TRANSACTION_TIMEOUT = "25P03", "A transaction block that was left alone too long.";
    INVALID_AUTHORIZATION = "28000", "A user that may not connect so.";
    INVALID_PASSWORD = "28P01", "A wrong password, or a user that does not exist.";
    INVALID_CATALOG_NAME = "3D000", "No such database.";
    UNDEFINED_SCHEMA = "3F000", "No such schema.";
    INVALID_CURSOR_NAME = "34000", "No such portal or cursor.";
    INVALID_SAVEPOINT = "3B001", "No such savepoint.";
    INSUFFICIENT_PRIVILEGE = "42501", "Something that this session may not do.";
    SYNTAX_ERROR_OR_ACCESS_RULE = "42000", "Something in the statement is wrong.";
    SYNTAX_ERROR = "42601", "The text is not SQL.";
    UNDEFINED_COLUMN = "42703", "No such column.";
    AMBIGUOUS_COLUMN = "42702", "A column name that several tables have.";
    UNDEFINED_TABLE = "42P01", "No such table, view or file.";
    GROUPING_ERROR = "42803", "An aggregate, or a column outside GROUP BY, where it may not stand.";
    WINDOWING_ERROR = "42P20", "A window function where it may not stand.";
    UNDEFINED_FUNCTION = "42883", "No such function, or not for these argument types.";
    CANNOT_COERCE = "42846", "A type that cannot be cast to another one.";
    DEPENDENT_OBJECTS = "2BP01", "Something that others depend on.";
    UNDEFINED_OBJECT = "42704", "No such setting or other object.";
    AMBIGUOUS_FUNCTION = "42725", "A name that several functions have.";
    DUPLICATE_FUNCTION = "42723", "A function of this name exists.";
    WRONG_OBJECT_TYPE = "42809", "Something else than the statement is for.";
    INVALID_FUNCTION_DEFINITION = "42P13", "A function that cannot be as it is declared.";
    DUPLICATE_TABLE = "42P07", "A table or view of this name exists.";
    DATATYPE_MISMATCH = "42804", "Types that do not go together.";
    DUPLICATE_PREPARED_STATEMENT = "42P05", "A prepared statement of this name exists.";
    DUPLICATE_CURSOR = "42P03", "A portal or cursor of this name exists.";
    UNDEFINED_PREPARED_STATEMENT = "26000", "No such prepared statement.";
    UNDEFINED_PARAMETER = "42P02", "A parameter that has no value.";
    CARDINALITY_VIOLATION = "21000", "More than one row where one is wanted.";
    INSUFFICIENT_RESOURCES = "53000", "A budget is spent.";
    DISK_FULL = "53100", "The disk, or the disk budget, is full.";
    OUT_OF_MEMORY = "53200", "The memory limit is reached.";
    TOO_MANY_CONNECTIONS = "53300", "The server has as many connections as it may.";
    PROGRAM_LIMIT = "54000", "More of something than may be had.";
    STATEMENT_TOO_COMPLEX = "54001", "A statement whose plan would be too large.";
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000", "Something that is not in the state it would have to be in.";
    CANNOT_CHANGE_RUNTIME_PARAMETER = "55P02", "A setting that cannot be changed.";
    ADMIN_SHUTDOWN = "57P01", "The server stops.";
    IDLE_SESSION_TIMEOUT = "57P05", "A session that was left alone too long.";
    QUERY_CANCELED = "57014", "Cancelled, or out of time.";
    EXTERNAL_ROUTINE = "38000", "A function in another language than SQL failed.";
    EXTERNAL_ROUTINE_PROTOCOL = "39P01", "A function in another language gave what it must not give.";
    IO_ERROR = "58030", "Reading or writing failed.";
    UNDEFINED_FILE = "58P01", "No such file.";
    DUPLICATE_FILE = "58P02", "A file of this name exists.";
    INTERNAL_ERROR = "XX000", "A fault of Sheaf.";
}

impl SqlState {
    /// The five characters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

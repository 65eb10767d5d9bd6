//! What a piece of text asks for: the types the parser makes and the session runs.

mod function;

use datafusion::sql::sqlparser::ast::{
    self, ColumnDef, DataType, Expr, Ident, ObjectName, OrderByExpr, Query, TableFactor,
};
use sheaf_base::error::Position;

pub use function::{
    FunctionBody, FunctionCode, FunctionDefinition, FunctionOverload, FunctionParameter,
    FunctionReturns, FunctionSignature, FunctionSource, FunctionVolatility, ParameterKind,
};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What it asks for. Every place in its syntax tree counts from the start of the script.
    pub kind: StatementKind,
    /// Its own source text, without the semicolon and without comments before or after it.
    pub text: String,
    /// Where its text starts in the script.
    pub start: Position,
}

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `SELECT`, `VALUES`, `TABLE t`, `FROM t`, `WITH …`.
    Query(Box<Query>),
    /// `EXPLAIN [ANALYZE] [VERBOSE] [(option, …)] statement`.
    Explain {
        /// Run it and show what happened.
        analyze: bool,
        /// Show more of the plan.
        verbose: bool,
        /// The shape of the answer.
        format: ExplainFormat,
        /// What to explain; never itself an `EXPLAIN`.
        statement: Box<Statement>,
    },
    /// `COPY table|(query) TO 'path' …`.
    Copy {
        /// The rows to write.
        source: CopySource,
        /// The path or URL to write to.
        target: String,
        /// The format's name in lower case, if said.
        format: Option<String>,
        /// The columns of the directory names, outermost first.
        partitioned_by: Vec<String>,
        /// Other options in the order written: names in lower case; the text of a literal without
        /// its quotes; `true` for a name alone; a list's items joined by commas.
        options: Vec<(String, String)>,
    },
    /// `COPY table|(query) TO STDOUT …`: rows for the client, in a format of PostgreSQL's.
    CopyOut {
        /// The rows to send.
        query: Box<Query>,
        /// The format's name in lower case, if said.
        format: Option<String>,
        /// Other options in the order written.
        options: Vec<CopyOption>,
    },
    /// `COPY table [(column, …)] FROM STDIN …`: rows that the client sends.
    CopyIn {
        /// The table to add them to.
        table: ObjectName,
        /// The columns that they have; all of them if none is named.
        columns: Vec<Ident>,
        /// A query of these columns.
        like: Box<Query>,
        /// The format's name in lower case, if said.
        format: Option<String>,
        /// Other options in the order written.
        options: Vec<CopyOption>,
    },
    /// `DECLARE name … CURSOR … FOR query`.
    DeclareCursor {
        /// The cursor's name.
        name: Ident,
        /// Its rows.
        query: Box<Query>,
        /// `BINARY`: rows are sent in binary form.
        is_binary: bool,
        /// `WITH HOLD`: it stays when its transaction has been committed.
        is_held: bool,
        /// `SCROLL`: it is to go backwards, too.
        is_scrolled: bool,
    },
    /// `FETCH …` and `MOVE …`.
    FetchCursor {
        /// The cursor's name.
        name: Ident,
        /// Which rows.
        rows: FetchRows,
        /// `MOVE`: they are not shown.
        is_move: bool,
    },
    /// `CLOSE name|ALL`.
    CloseCursor {
        /// The cursor's name; all of them if absent.
        name: Option<Ident>,
    },
    /// `CREATE [OR REPLACE] [TEMP] VIEW|BAG|ARRAY …`: a bag is a view of records, an array one of
    /// chunks.
    CreateView {
        /// The view's name.
        name: ObjectName,
        /// Names for its columns, in place of the query's; may be fewer.
        columns: Vec<Ident>,
        /// What the view stands for.
        query: Box<Query>,
        /// Replace a view of that name.
        or_replace: bool,
        /// Do nothing when the name is taken.
        if_not_exists: bool,
        /// Never written to a catalogue directory.
        temporary: bool,
        /// It must be a relation of an array's chunks.
        is_array: bool,
    },
    /// `CREATE EXTERNAL TABLE …`.
    CreateExternalTable(Box<ExternalTable>),
    /// `CREATE TABLE … AS query`, without column definitions.
    CreateTableAs {
        /// The table's name.
        name: ObjectName,
        /// Its rows.
        query: Box<Query>,
        /// Replace a table of that name.
        or_replace: bool,
        /// Do nothing when the name is taken.
        if_not_exists: bool,
        /// Gone with the session.
        temporary: bool,
    },
    /// `PERSIST view`, or `PERSIST name AS query`, which makes the view too.
    Persist {
        /// The view's name.
        name: ObjectName,
        /// What a new view stands for.
        query: Option<Box<Query>>,
    },
    /// `UNPERSIST view`.
    Unpersist {
        /// The view's name.
        name: ObjectName,
    },
    /// `CREATE [OR REPLACE] AGGREGATE …`.
    CreateAggregate(Box<AggregateDefinition>),
    /// `CREATE [OR REPLACE] [TEMP] FUNCTION|MACRO …`.
    CreateFunction(Box<FunctionDefinition>),
    /// `DROP FUNCTION|MACRO …`.
    DropFunction {
        /// Which ones.
        functions: Vec<FunctionSignature>,
        /// Missing ones are no error.
        if_exists: bool,
        /// Drop also what uses them.
        cascade: bool,
        /// A name alone stands for all that have it.
        is_macro: bool,
    },
    /// `SHOW CREATE FUNCTION f`.
    ShowCreateFunction {
        /// Which one; all of the name without types.
        function: FunctionSignature,
    },
    /// `DROP TABLE|VIEW|AGGREGATE …`.
    Drop {
        /// Tables, views or aggregates.
        what: DropKind,
        /// Which ones.
        names: Vec<ObjectName>,
        /// Missing ones are no error.
        if_exists: bool,
    },
    /// `SET name = value`, the name in lower case, the value without quotes.
    Set {
        /// The setting's name, dots included.
        name: String,
        /// Its new value, as text.
        value: String,
        /// `SET LOCAL`: until the transaction ends.
        is_local: bool,
    },
    /// `RESET name` or `RESET ALL` (no name); also `SET name = DEFAULT`.
    Reset {
        /// The setting's name; all of them if absent.
        name: Option<String>,
    },
    /// `SHOW name`.
    Show {
        /// The setting's name, in lower case.
        name: String,
    },
    /// `SHOW ALL`.
    ShowAll,
    /// `SHOW TABLES [LIKE 'pattern']`.
    ShowTables {
        /// A LIKE pattern on the tables' names.
        pattern: Option<String>,
    },
    /// `SHOW FUNCTIONS [LIKE 'pattern']`.
    ShowFunctions {
        /// A LIKE pattern on the functions' names.
        pattern: Option<String>,
    },
    /// `SHOW COLUMNS FROM relation`.
    ShowColumns {
        /// A name, a path or a table function.
        relation: Box<TableFactor>,
    },
    /// `SHOW PARTITIONS FROM relation`.
    ShowPartitions {
        /// A name, a path or a table function.
        relation: Box<TableFactor>,
    },
    /// `DESCRIBE relation|query`.
    Describe(Described),
    /// `SUMMARIZE relation|query`.
    Summarize(Described),
    /// `CANCEL QUERY id`.
    CancelQuery {
        /// The query's number in `sheaf.queries`.
        id: u64,
    },
    /// `PREPARE name [(types)] AS statement`.
    Prepare {
        /// The statement's name.
        name: Ident,
        /// Types of `$1`, `$2` …, as far as said.
        types: Vec<DataType>,
        /// What `EXECUTE` will run.
        statement: Box<Statement>,
    },
    /// `EXECUTE name [(value, …)]`.
    Execute {
        /// The prepared statement's name.
        name: Ident,
        /// Values of `$1`, `$2` ….
        parameters: Vec<Expr>,
    },
    /// `DEALLOCATE [PREPARE] name|ALL`.
    Deallocate {
        /// The prepared statement's name; all of them if absent.
        name: Option<Ident>,
    },
    /// Everything else that the grammar knows, for the engine's planner: it runs it or says that
    /// it cannot. (`BEGIN`, `COMMIT`, `ROLLBACK`, `INSERT`, `CREATE TABLE t (…)`, `LISTEN`, …)
    Native(Box<ast::Statement>),
}

/// The shape of a plan's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainFormat {
    /// Boxes and lines for reading.
    #[default]
    Tree,
    /// One operator a line, indented.
    Text,
    /// One JSON document.
    Json,
    /// A Graphviz graph.
    Dot,
}

impl ExplainFormat {
    /// Every format with its names, the usual one first.
    pub const NAMES: &'static [(Self, &'static [&'static str])] = &[
        (Self::Tree, &["tree"]),
        (Self::Text, &["text", "indent"]),
        (Self::Json, &["json", "pgjson"]),
        (Self::Dot, &["dot", "graphviz"]),
    ];
}

/// The rows that `COPY` writes.
#[derive(Debug, Clone, PartialEq)]
pub enum CopySource {
    /// The answer of a query.
    Query(Box<Query>),
    /// All of a table; its name may be a path.
    Table(ObjectName),
}

/// An option of `COPY`.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyOption {
    /// In lower case, with its dots.
    pub name: String,
    /// A literal's text, or the source text of anything else; `true` if there is none.
    pub value: String,
    /// What a parenthesized list holds.
    pub items: Vec<String>,
}

/// Which rows of a cursor `FETCH` and `MOVE` are about, counted from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchRows {
    /// So many onwards (`NEXT` is 1), backwards if negative; 0 is the row it stands on.
    Count(i64),
    /// All that follow.
    All,
    /// `BACKWARD ALL`.
    BackwardAll,
    /// The row of this number (`FIRST` is 1); from the end if negative (`LAST` is -1).
    Absolute(i64),
    /// One row, so many onwards.
    Relative(i64),
}

/// What `DESCRIBE` and `SUMMARIZE` look at.
#[derive(Debug, Clone, PartialEq)]
pub enum Described {
    /// A name, a path or a table function.
    Relation(Box<TableFactor>),
    /// A query.
    Query(Box<Query>),
}

/// What `DROP` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropKind {
    /// Tables, external ones too.
    Table,
    /// Views.
    View,
    /// Aggregates of the user's own.
    Aggregate,
}

/// `CREATE AGGREGATE`: a fold over rows in expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateDefinition {
    /// The aggregate's name.
    pub name: ObjectName,
    /// Where the name stands.
    pub position: Position,
    /// What it takes of a row: names and types.
    pub arguments: Vec<ColumnDef>,
    /// What it keeps from row to row.
    pub state: Vec<ColumnDef>,
    /// The state before the first row; one expression for each column, as in the other clauses.
    pub init: Vec<ClauseExpr>,
    /// The state after a row, from the arguments and the state before it.
    pub accumulate: Vec<ClauseExpr>,
    /// One state from two, of which the second is called `other`.
    pub merge: Option<Vec<ClauseExpr>>,
    /// The result; the state itself if absent.
    pub finish: Option<ClauseExpr>,
    /// Replace an aggregate of that name.
    pub or_replace: bool,
    /// Do nothing when the name is taken.
    pub if_not_exists: bool,
}

/// An expression of a clause, and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct ClauseExpr {
    /// The expression.
    pub expr: Expr,
    /// Its place in the script.
    pub position: Position,
}

/// `CREATE EXTERNAL TABLE`: a name for files with their options.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalTable {
    /// The table's name.
    pub name: ObjectName,
    /// Its columns; inferred from the files if empty.
    pub columns: Vec<ColumnDef>,
    /// The format's name in lower case (`STORED AS`); told from the paths if absent.
    pub format: Option<String>,
    /// At least one path, glob or URL.
    pub locations: Vec<String>,
    /// Columns that come from `key=value` directories, outermost first.
    pub partitioned_by: Vec<PartitionColumn>,
    /// Orders the files are known to have (`WITH ORDER`).
    pub orders: Vec<Vec<OrderByExpr>>,
    /// The format's options, as in `COPY`.
    pub options: Vec<(String, String)>,
    /// Replace a table of that name.
    pub or_replace: bool,
    /// Do nothing when the name is taken.
    pub if_not_exists: bool,
    /// Gone with the session.
    pub temporary: bool,
}

/// A column whose values stand in directory names.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionColumn {
    /// The column's name.
    pub name: Ident,
    /// Its type, if said.
    pub data_type: Option<DataType>,
}

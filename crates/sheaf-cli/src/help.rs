//! `sheaf help` and `\h`: the topics, made from the declarations of settings, formats and
//! functions, and the list of statements.

use std::fmt::Write as _;

use clap::{CommandFactory, ValueEnum};
use sheaf::{Result, Session};

use crate::arguments::{Arguments, SETTING_OPTIONS};
use crate::console::Outcome;
use crate::output::Output;
use crate::pager;
use crate::render::Format;

/// What `sheaf help` explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topic {
    /// Settings: names, values, defaults, and where they are given
    Settings,
    /// Formats of files and of results
    Formats,
    /// SQL statements
    Sql,
    /// SQL functions
    Functions,
}

/// Prints a topic; without one, the command line's help.
///
/// # Errors
/// `Data` if the output cannot be written to.
pub(crate) fn show(topic: Option<Topic>) -> Result<Outcome> {
    print(&match topic {
        None => Arguments::command().render_long_help().to_string(),
        Some(Topic::Functions) => functions(&Session::builder().build()?),
        Some(topic) => text(topic),
    })
}

/// Prints `text` to standard output; a reader that goes away is no error.
///
/// # Errors
/// `Data` if the output cannot be written to.
pub(crate) fn print(text: &str) -> Result<Outcome> {
    let output = Output::stdout();
    match pager::show(text, None, &output) {
        Err(_) if output.is_closed() => Ok(Outcome::Closed),
        result => result.map(|()| Outcome::Done),
    }
}

/// The text of a topic that needs no session.
pub(crate) fn text(topic: Topic) -> String {
    match topic {
        Topic::Settings => settings(),
        Topic::Formats => formats(),
        Topic::Sql | Topic::Functions => {
            let mut out = sql_overview();
            for topic in SQL_TOPICS {
                out.push('\n');
                out.push_str(&topic.text());
            }
            out
        }
    }
}

fn settings() -> String {
    let mut out = String::from(
        "Settings are read in this order, the later the stronger: the configuration file\n\
         ($XDG_CONFIG_HOME/sheaf/config, lines name = value), variables SHEAF_NAME,\n\
         options of the command line, and SET name = value. SHOW ALL lists them.\n",
    );
    for (setting, option) in SETTING_OPTIONS.iter() {
        let default = if setting.default.is_empty() {
            "none"
        } else {
            setting.default
        };
        let _ = write!(
            out,
            "\n{}\n    {}\n    takes {}; default {default}\n    --{option} · {} · SET {} = …\n",
            setting.name,
            wrapped(setting.doc),
            setting.kind.describe(),
            setting.environment_name(),
            setting.name,
        );
    }
    out
}

fn formats() -> String {
    let mut out = String::from(
        "Formats of files, told by their names, or by the function that reads them:\n\n",
    );
    for format in sheaf::files::FORMATS {
        let _ = match format.extensions {
            [] => writeln!(out, "{}", format.function),
            names => writeln!(out, "{} ({})", format.function, names.join(", ")),
        };
        for option in format.own_options() {
            let _ = writeln!(out, "    {:<22}{}", option.name, wrapped_at(option.doc, 26));
        }
    }
    out.push_str("\nFormats of results (--format, \\pset format):\n\n");
    for format in Format::value_variants() {
        if let Some(value) = format.to_possible_value() {
            let help = value
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let _ = writeln!(out, "    {:<12}{help}", value.get_name());
        }
    }
    out
}

fn functions(session: &Session) -> String {
    let mut out = String::new();
    for function in session.names().functions {
        let _ = writeln!(out, "{} ({})", function.name, function.kind);
        for part in [function.syntax, function.description]
            .into_iter()
            .flatten()
        {
            let words: Vec<&str> = part.split_whitespace().collect();
            let _ = writeln!(out, "    {}", wrapped(&words.join(" ")));
        }
    }
    out
}

fn wrapped(text: &str) -> String {
    wrapped_at(text, 4)
}

/// Text of at most 80 columns, its lines after the first indented.
fn wrapped_at(text: &str, indent: usize) -> String {
    const WIDTH: usize = 80;
    let mut out = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// A statement that `\h` explains.
pub(crate) struct SqlTopic {
    /// Its first words.
    pub(crate) name: &'static str,
    about: &'static str,
    syntax: &'static str,
}

impl SqlTopic {
    /// Name, purpose and syntax.
    pub(crate) fn text(&self) -> String {
        format!("{}: {}\n{}\n", self.name, self.about, self.syntax)
    }
}

/// The statements, one a line.
pub(crate) fn sql_overview() -> String {
    let mut out =
        String::from("Statements (\\h NAME tells more, \\h FUNCTION explains a function):\n\n");
    for topic in SQL_TOPICS {
        let _ = writeln!(out, "    {:<24}{}", topic.name, topic.about);
    }
    out
}

/// Every statement, in the order in which a newcomer meets them.
pub(crate) static SQL_TOPICS: &[SqlTopic] = &[
    SqlTopic {
        name: "SELECT",
        about: "ask a question",
        syntax: "    [WITH name AS (query), …]
    SELECT [DISTINCT [ON (…)]] expression [AS name], … | * [EXCLUDE | REPLACE | RENAME (…)]
        | expression of COLUMNS(* | 'regex' | lambda name: …) [AS '\\0_name']
    FROM table | 'path' | read_csv('path', option => value)
    [JOIN … ON … | ASOF JOIN … ON … | POSITIONAL JOIN …]
    [WHERE …] [GROUP BY … | ALL] [HAVING …] [QUALIFY …]
    [ORDER BY … | ALL] [LIMIT n [OFFSET m]] [USING SAMPLE …]",
    },
    SqlTopic {
        name: "FROM",
        about: "a query that begins with its table; FROM t alone shows it all",
        syntax: "    FROM table | 'path' [SELECT …] [WHERE …] …",
    },
    SqlTopic {
        name: "PIVOT",
        about: "turn values into columns, or (UNPIVOT) columns into rows",
        syntax:
            "    PIVOT table ON column, … [IN (value, …)] [USING aggregate, …] [GROUP BY column, …]
    FROM table PIVOT (aggregate FOR column IN (value, … | ANY))
    FROM table UNPIVOT (value FOR name IN (column, …))",
    },
    SqlTopic {
        name: "DESCRIBE",
        about: "the columns of a table, file or query",
        syntax: "    DESCRIBE table | 'path' | query",
    },
    SqlTopic {
        name: "SUMMARIZE",
        about: "what is in each column: least, greatest, distinct, NULLs",
        syntax: "    SUMMARIZE table | 'path' | query",
    },
    SqlTopic {
        name: "SHOW",
        about: "settings, tables, functions, partitions",
        syntax: "    SHOW ALL | name
    SHOW TABLES | FUNCTIONS [LIKE 'pattern']
    SHOW COLUMNS | PARTITIONS FROM table | 'path'",
    },
    SqlTopic {
        name: "COPY",
        about: "write a query's rows to files",
        syntax: "    COPY table | (query) TO 'path'
    [(FORMAT csv | json | parquet | arrow, option value, …)] [PARTITIONED BY (column, …)]",
    },
    SqlTopic {
        name: "CREATE VIEW",
        about: "give a query a name",
        syntax: "    CREATE [OR REPLACE] [TEMP] VIEW name AS query",
    },
    SqlTopic {
        name: "CREATE BAG",
        about: "give records a name: JSON, lines of logs; every query reads them anew",
        syntax: "    CREATE [OR REPLACE] [TEMP] BAG [IF NOT EXISTS] name
        AS 'path' | read_bag('path', option => value, …) | query",
    },
    SqlTopic {
        name: "CREATE ARRAY",
        about: "give a chunked array a name; nothing is read before a query asks",
        syntax: "    CREATE [OR REPLACE] [TEMP] ARRAY [IF NOT EXISTS] name
        AS array_random(shape => [1000, 1000], …) | 'path.zarr' | name | …",
    },
    SqlTopic {
        name: "PERSIST",
        about: "keep a view's rows, in memory or on disk; again to refresh; UNPERSIST ends it",
        syntax: "    PERSIST view | name AS query
    UNPERSIST view",
    },
    SqlTopic {
        name: "CREATE EXTERNAL TABLE",
        about: "give files a name, a format and columns",
        syntax: "    CREATE EXTERNAL TABLE name [(column type, …)] STORED AS format LOCATION 'path'
    [PARTITIONED BY (column, …)] [OPTIONS (name value, …)]",
    },
    SqlTopic {
        name: "CREATE TABLE",
        about: "keep a query's rows for the session",
        syntax: "    CREATE [OR REPLACE] [TEMP] TABLE name AS query",
    },
    SqlTopic {
        name: "CREATE AGGREGATE",
        about: "fold the rows of a group with expressions of your own",
        syntax: "    CREATE [OR REPLACE] AGGREGATE [IF NOT EXISTS] name (argument type, …)
    STATE (column type, …)          what is kept from row to row
    INIT (value, …)                 the state before the first row
    ACCUMULATE (expression, …)      the state after a row, of the arguments and the state before
    [MERGE (expression, …)]         one state of two, the second called other: other.column
    [FINISH expression]             the result; without it, a state of one column",
    },
    SqlTopic {
        name: "CREATE FUNCTION",
        about: "give an expression or a query parameters and a name",
        syntax:
            "    CREATE [OR REPLACE] [TEMP] FUNCTION | MACRO [IF NOT EXISTS] name (parameter, …)
        [RETURNS type | TABLE [(column type, …)]] [LANGUAGE sql] [STRICT]
        AS expression | (query) | TABLE query | $$ query $$
    parameter: name [type | TABLE] [:= constant]
    calls: f(1, b := 2), FROM f(TABLE t, (SELECT …)), FROM t, f(t.x)",
    },
    SqlTopic {
        name: "DROP FUNCTION",
        about: "forget a function; CASCADE also what uses it",
        syntax: "    DROP FUNCTION | MACRO [IF EXISTS] name [(type, …)], … [CASCADE]
    SHOW CREATE FUNCTION name",
    },
    SqlTopic {
        name: "DROP",
        about: "forget a table, a view, a bag or an aggregate",
        syntax: "    DROP TABLE | VIEW | BAG | AGGREGATE [IF EXISTS] name, …",
    },
    SqlTopic {
        name: "SET",
        about: "change a setting for the session; RESET takes it back",
        syntax: "    SET name = value
    RESET name | ALL",
    },
    SqlTopic {
        name: "EXPLAIN",
        about: "how a query will run, or (ANALYZE) has run",
        syntax: "    EXPLAIN [ANALYZE] [VERBOSE] [(FORMAT tree | text | json | dot)] query",
    },
    SqlTopic {
        name: "PREPARE",
        about: "keep a statement with parameters, to be run by EXECUTE",
        syntax: "    PREPARE name AS query with $1, $2, …
    EXECUTE name (value, …)
    DEALLOCATE name | ALL",
    },
    SqlTopic {
        name: "CANCEL QUERY",
        about: "stop a query of another session; SELECT * FROM sheaf.queries lists them",
        syntax: "    CANCEL QUERY id",
    },
];

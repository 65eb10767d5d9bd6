//! Completion: which names may stand at the cursor. The lexer says what kind of place it is; the
//! names come from the session, the commands from their list, paths from the file system.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustyline::completion::Pair;
use sheaf::sql::lexer::{self, Completion, CompletionPlace, KEYWORDS};
use sheaf::{Names, Session, TableName};

use super::commands::COMMANDS;
use crate::environment;

/// Candidates offered at most.
const CANDIDATES_MAX: usize = 500;
/// Directory entries looked at most: a directory may hold millions.
const ENTRIES_MAX: usize = 20_000;

/// Words that begin a statement.
const STATEMENT_WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WITH",
    "VALUES",
    "DESCRIBE",
    "SUMMARIZE",
    "SHOW",
    "COPY",
    "CREATE",
    "DROP",
    "PERSIST",
    "UNPERSIST",
    "EXPLAIN",
    "SET",
    "RESET",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "CANCEL",
    "INSERT",
    "PIVOT",
];

/// Files whose columns are remembered.
const FILES_MAX: usize = 64;
/// Time that looking for a file's columns may take while the user waits for the key.
const FILE_WAIT_MAX: Duration = Duration::from_millis(400);

/// Completes with the names of a session, and with the columns of the files a statement reads.
pub(super) struct NameCompleter {
    session: Session,
    /// The newest last.
    files: VecDeque<TableName>,
}

impl NameCompleter {
    /// A completer over `session`.
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            files: VecDeque::new(),
        }
    }

    /// The start of what is replaced, and the candidates for it.
    pub(super) fn complete(&mut self, line: &str, cursor: usize) -> (usize, Vec<Pair>) {
        let before = line.get(..cursor).unwrap_or(line);
        if before.trim_start().starts_with('\\') {
            return complete_command(before, &self.session);
        }
        let completion = lexer::completion_place(line, cursor);
        let start = completion.range.start;
        let prefix = line.get(completion.range.clone()).unwrap_or_default();
        match completion.place {
            CompletionPlace::Nothing => (start, vec![]),
            CompletionPlace::FilePath => complete_path(prefix, start),
            _ => {
                let names = self.names_for(&completion);
                (start, sql_candidates(&completion, prefix, &names))
            }
        }
    }

    /// The session's names, and as further tables the files of the statement.
    fn names_for(&mut self, completion: &Completion) -> Names {
        let mut names = self.session.names();
        for path in &completion.tables {
            // Remote files would make the key wait for the network.
            let is_local_file = path.contains(['.', '/', '*']) && !path.contains("://");
            if is_local_file && !names.tables.iter().any(|table| table.name == *path) {
                names.tables.extend(self.file(path));
            }
        }
        names
    }

    fn file(&mut self, path: &str) -> Option<TableName> {
        if let Some(known) = self.files.iter().find(|file| file.name == path) {
            return Some(known.clone());
        }
        let file = describe_file(&self.session, path)?;
        if self.files.len() >= FILES_MAX {
            self.files.pop_front();
        }
        self.files.push_back(file.clone());
        Some(file)
    }
}

/// The columns of a file; none if it is none, or takes too long to look at.
fn describe_file(session: &Session, path: &str) -> Option<TableName> {
    let sql = format!("SELECT * FROM '{}' LIMIT 0", path.replace('\'', "''"));
    let schema = sheaf::block_on(async {
        match tokio::time::timeout(FILE_WAIT_MAX, session.sql(&sql)).await {
            Ok(result) => result.map(|result| Some(result.schema())),
            Err(_) => Ok(None),
        }
    });
    let columns = schema
        .ok()??
        .fields()
        .iter()
        .map(|f| (f.name().clone(), String::new()))
        .collect();
    Some(TableName {
        name: path.to_owned(),
        kind: "file",
        columns,
    })
}

fn sql_candidates(completion: &Completion, prefix: &str, names: &Names) -> Vec<Pair> {
    let mut found = Candidates {
        prefix: prefix.to_lowercase(),
        pairs: vec![],
    };
    match &completion.place {
        CompletionPlace::Nothing | CompletionPlace::FilePath => {}
        CompletionPlace::Statement => found.words(STATEMENT_WORDS, prefix),
        CompletionPlace::Setting => found.names(names.settings.iter().copied()),
        CompletionPlace::Table => {
            let tables = names.tables.iter().filter(|table| table.kind != "file");
            found.names(tables.map(|table| table.name.as_str()));
            let functions = names.functions.iter().filter(|f| f.kind == "table");
            found.calls(functions.map(|f| f.name.as_str()));
        }
        CompletionPlace::Column { table } => found.names(columns(names, table)),
        CompletionPlace::Name => {
            for table in &completion.tables {
                found.names(columns(names, table));
            }
            found.calls(
                names
                    .functions
                    .iter()
                    .filter(|f| f.kind != "table")
                    .map(|f| f.name.as_str()),
            );
            found.words(KEYWORDS, prefix);
        }
    }
    found.pairs.truncate(CANDIDATES_MAX);
    found.pairs
}

fn columns<'a>(names: &'a Names, table: &'a str) -> impl Iterator<Item = &'a str> {
    names
        .tables
        .iter()
        .filter(move |known| known.name.eq_ignore_ascii_case(table))
        .flat_map(|known| known.columns.iter().map(|(name, _)| name.as_str()))
}

/// Candidates that begin with a prefix, each once.
struct Candidates {
    prefix: String,
    pairs: Vec<Pair>,
}

impl Candidates {
    fn add(&mut self, name: &str, display: String, replacement: String) {
        if name.to_lowercase().starts_with(&self.prefix)
            && !self
                .pairs
                .iter()
                .any(|pair| pair.replacement == replacement)
        {
            self.pairs.push(Pair {
                display,
                replacement,
            });
        }
    }

    /// Names, quoted where SQL asks for it.
    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.add(name, name.to_owned(), quoted_where_needed(name));
        }
    }

    fn calls<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.add(name, format!("{name}()"), format!("{name}("));
        }
    }

    /// Words of the language, in the case the user types.
    fn words(&mut self, words: &[&str], typed: &str) {
        let is_lower = typed.chars().next_back().is_some_and(char::is_lowercase);
        for word in words {
            let word = if is_lower {
                word.to_lowercase()
            } else {
                (*word).to_owned()
            };
            self.add(&word.clone(), word.clone(), word);
        }
    }
}

fn quoted_where_needed(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !KEYWORDS
            .iter()
            .any(|keyword| keyword.eq_ignore_ascii_case(name));
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn complete_command(before: &str, session: &Session) -> (usize, Vec<Pair>) {
    let start = before.len() - before.trim_start().len();
    let Some(blank) = before[start..].find(char::is_whitespace) else {
        let typed = &before[start..];
        let names = COMMANDS.iter().map(|command| command.names[0]);
        let pairs = names
            .filter(|name| name.starts_with(typed))
            .map(plain_pair)
            .collect();
        return (start, pairs);
    };
    let name = &before[start..start + blank];
    let argument = before
        .rfind(char::is_whitespace)
        .map_or(before.len(), |at| at + 1);
    let typed = &before[argument..];
    match name {
        "\\i" | "\\include" | "\\o" | "\\out" | "\\e" | "\\edit" => {
            let quote = typed.len() - typed.trim_start_matches(['\'', '"']).len();
            complete_path(&typed[quote..], argument + quote)
        }
        "\\d" | "\\dt" | "\\dv" => {
            let quoted = typed.starts_with(['\'', '"']);
            if quoted || typed.contains('/') {
                let quote = usize::from(quoted);
                return complete_path(&typed[quote..], argument + quote);
            }
            let mut found = Candidates {
                prefix: typed.to_lowercase(),
                pairs: vec![],
            };
            found.names(
                session
                    .names()
                    .tables
                    .iter()
                    .map(|table| table.name.as_str()),
            );
            (argument, found.pairs)
        }
        "\\df" | "\\h" | "\\help" => {
            let names = session.names();
            let names = names.functions.iter().map(|f| f.name.as_str());
            (
                argument,
                names
                    .filter(|name| name.starts_with(typed))
                    .map(plain_pair)
                    .collect(),
            )
        }
        _ => (argument, vec![]),
    }
}

fn plain_pair(name: &str) -> Pair {
    Pair {
        display: name.to_owned(),
        replacement: name.to_owned(),
    }
}

/// Entries of the directory that `typed` names, after its last slash. URLs are left alone.
fn complete_path(typed: &str, start: usize) -> (usize, Vec<Pair>) {
    if typed.contains("://") {
        return (start, vec![]);
    }
    let name_start = typed.rfind('/').map_or(0, |at| at + 1);
    let (directory, name) = typed.split_at(name_start);
    let shows_hidden = name.starts_with('.');
    let Ok(entries) = fs::read_dir(readable(directory)) else {
        return (start + name_start, vec![]);
    };
    let mut pairs: Vec<Pair> = entries
        .take(ENTRIES_MAX)
        .flatten()
        .filter_map(|entry| {
            let mut text = entry.file_name().into_string().ok()?;
            if !text.starts_with(name) || (text.starts_with('.') && !shows_hidden) {
                return None;
            }
            // A link to a directory is one, too.
            if fs::metadata(entry.path()).is_ok_and(|data| data.is_dir()) {
                text.push('/');
            }
            Some(Pair {
                display: text.clone(),
                replacement: text.replace('\'', "''"),
            })
        })
        .collect();
    pairs.sort_by(|a, b| a.display.cmp(&b.display));
    pairs.truncate(CANDIDATES_MAX);
    (start + name_start, pairs)
}

fn readable(directory: &str) -> PathBuf {
    match (directory.strip_prefix("~/"), environment::home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ if directory.is_empty() => PathBuf::from("."),
        _ => Path::new(directory).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_complete_after_the_last_slash() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["sales_1.csv", "sales_2.csv", ".hidden", "other"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("sales")).unwrap();
        let typed = format!("{}/sa", directory.path().display());
        let (start, pairs) = complete_path(&typed, 6);
        assert_eq!(start, 6 + typed.len() - 2);
        let names: Vec<&str> = pairs.iter().map(|pair| pair.replacement.as_str()).collect();
        assert_eq!(names, ["sales/", "sales_1.csv", "sales_2.csv"]);
        assert!(complete_path("s3://bucket/x", 0).1.is_empty());
        assert!(complete_path("/no/such/directory/x", 0).1.is_empty());
    }

    #[test]
    fn names_are_quoted_where_needed_and_words_follow_the_typed_case() {
        assert_eq!(quoted_where_needed("amount"), "amount");
        assert_eq!(quoted_where_needed("Amount"), "\"Amount\"");
        assert_eq!(quoted_where_needed("order"), "\"order\"");
        assert_eq!(quoted_where_needed("a\"b"), "\"a\"\"b\"");
        let mut found = Candidates {
            prefix: "sel".into(),
            pairs: vec![],
        };
        found.words(&["SELECT", "SET"], "sel");
        assert_eq!(found.pairs.len(), 1);
        assert_eq!(found.pairs[0].replacement, "select");
    }
}

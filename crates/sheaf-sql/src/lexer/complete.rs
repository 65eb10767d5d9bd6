//! What may stand at the cursor: which list of names the REPL should offer, and for which bytes.

use std::ops::Range;

use super::scan::{Lexeme, LexemeKind, scan};

/// What to offer at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompletionPlace {
    /// Nothing: within a comment, or a string that is no path.
    Nothing,
    /// Words that start a statement.
    Statement,
    /// Paths of files; the range covers the string's content.
    FilePath,
    /// Tables and views (and table functions).
    Table,
    /// Columns of this table; an alias is already resolved to the table's name.
    Column {
        /// The table's name, or the path it stands for.
        table: String,
    },
    /// Names of settings.
    Setting,
    /// Keywords, functions, and the columns of [`Completion::tables`].
    Name,
}

/// The answer of [`completion_place`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What to offer.
    pub place: CompletionPlace,
    /// The bytes that what is chosen replaces; it ends at the cursor.
    pub range: Range<usize>,
    /// The tables and paths that the statement at the cursor names in FROM and JOIN, without
    /// quotes, each once.
    pub tables: Vec<String>,
}

/// Behind these words stands a relation.
const RELATION_WORDS: &[&str] = &[
    "FROM",
    "JOIN",
    "DESCRIBE",
    "DESC",
    "SUMMARIZE",
    "TABLE",
    "INTO",
    "COPY",
    "VIEW",
    "PERSIST",
    "UNPERSIST",
    "UPDATE",
];

/// Behind these words a string is a path.
const PATH_WORDS: &[&str] = &[
    "FROM",
    "JOIN",
    "DESCRIBE",
    "DESC",
    "SUMMARIZE",
    "TO",
    "LOCATION",
];

/// Behind these words stands a setting.
const SETTING_WORDS: &[&str] = &["SET", "SHOW", "RESET"];

/// What may stand at byte `cursor` of `text`. A cursor beyond the text means its end, one within
/// a character that character's start.
#[must_use]
pub fn completion_place(text: &str, cursor: usize) -> Completion {
    let cursor = (0..=cursor.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let cursor = cursor.unwrap_or(0);
    let statement = Statement::around(text, cursor);
    let tables = statement.tables();
    let (place, range) = statement.place();
    Completion {
        place,
        range,
        tables: tables.into_iter().map(|table| table.name).collect(),
    }
}

/// The lexemes of the statement at the cursor; white space and comments left out.
struct Statement<'a> {
    text: &'a str,
    cursor: usize,
    lexemes: Vec<Lexeme>,
    /// The lexeme the cursor stands in or just behind, with white space and comments.
    at_cursor: Option<Lexeme>,
}

/// A relation in FROM or JOIN.
struct Named {
    name: String,
    alias: Option<String>,
}

impl<'a> Statement<'a> {
    fn around(text: &'a str, cursor: usize) -> Self {
        let mut statement = Self {
            text,
            cursor,
            lexemes: Vec::new(),
            at_cursor: None,
        };
        for lexeme in scan(text) {
            if lexeme.range.start < cursor && cursor <= lexeme.range.end {
                statement.at_cursor = Some(lexeme.clone());
            }
            match lexeme.kind {
                LexemeKind::Semicolon if lexeme.range.end <= cursor => statement.lexemes.clear(),
                LexemeKind::Semicolon => break,
                LexemeKind::Space | LexemeKind::Comment => {}
                _ => statement.lexemes.push(lexeme),
            }
        }
        statement
    }

    fn place(&self) -> (CompletionPlace, Range<usize>) {
        let cursor = self.cursor;
        let Some(current) = &self.at_cursor else {
            return (self.name_place(0), 0..cursor);
        };
        let is_inside = cursor < current.range.end || !current.is_closed;
        match current.kind {
            LexemeKind::Comment if is_inside || self.text_of(current).starts_with("--") => {
                (CompletionPlace::Nothing, cursor..cursor)
            }
            LexemeKind::String if is_inside => self.string_place(current),
            LexemeKind::String | LexemeKind::Number | LexemeKind::Parameter => {
                (CompletionPlace::Nothing, cursor..cursor)
            }
            LexemeKind::Word => (
                self.name_place(current.range.start),
                current.range.start..cursor,
            ),
            LexemeKind::QuotedName if is_inside => (
                self.name_place(current.range.start),
                current.range.start..cursor,
            ),
            _ => (self.name_place(cursor), cursor..cursor),
        }
    }

    /// Within a string: a path behind FROM and its like, and as the first argument of `read_…(`.
    fn string_place(&self, string: &Lexeme) -> (CompletionPlace, Range<usize>) {
        let text = self.text_of(string);
        if !text.starts_with('\'') {
            return (CompletionPlace::Nothing, self.cursor..self.cursor);
        }
        let content = (string.range.start + 1).min(self.cursor)..self.cursor;
        let before = self.before(string.range.start);
        let mut words = before.iter().rev().map(|lexeme| self.text_of(lexeme));
        let is_path = match words.next() {
            Some("(") => words.next().is_some_and(is_reader_name) || self.is_in_from_list(before),
            // A list of paths, `read_csv(['a.csv', 'b.csv'])`, or a second item of FROM.
            Some("[" | ",") => {
                let open = before.iter().rev().find(|lexeme| {
                    lexeme.kind == LexemeKind::Word && is_reader_name(self.text_of(lexeme))
                });
                open.is_some() && !before.iter().any(|lexeme| self.text_of(lexeme) == ")")
                    || self.is_in_from_list(before)
            }
            Some(word) => PATH_WORDS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(word)),
            None => false,
        };
        match is_path {
            true => (CompletionPlace::FilePath, content),
            false => (CompletionPlace::Nothing, self.cursor..self.cursor),
        }
    }

    /// What a name that starts at byte `start` may be.
    fn name_place(&self, start: usize) -> CompletionPlace {
        let before = self.before(start);
        let Some(last) = before.last() else {
            return CompletionPlace::Statement;
        };
        let word = self.text_of(last);
        if word == "." {
            return match before
                .len()
                .checked_sub(2)
                .and_then(|index| before.get(index))
            {
                Some(table) => CompletionPlace::Column {
                    table: self.resolve(table),
                },
                None => CompletionPlace::Name,
            };
        }
        let is_one_of = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if before.len() == 1 && is_one_of(SETTING_WORDS) {
            CompletionPlace::Setting
        } else if is_one_of(RELATION_WORDS) || word == "," && self.is_in_from_list(before) {
            CompletionPlace::Table
        } else if is_one_of(&["EXPLAIN", "ANALYZE", "VERBOSE"]) && before.len() <= 3 {
            CompletionPlace::Statement
        } else {
            CompletionPlace::Name
        }
    }

    /// Whether the last clause word is FROM: a comma then parts relations.
    fn is_in_from_list(&self, before: &[Lexeme]) -> bool {
        let mut depth = 0_usize;
        for lexeme in before.iter().rev() {
            match self.text_of(lexeme) {
                ")" | "]" | "}" => depth += 1,
                "(" | "[" | "{" if depth == 0 => return false,
                "(" | "[" | "{" => depth -= 1,
                _ if depth > 0 || lexeme.kind != LexemeKind::Word => {}
                word if word.eq_ignore_ascii_case("FROM") => return true,
                word if [
                    "SELECT", "WHERE", "GROUP", "ORDER", "HAVING", "ON", "BY", "SET",
                ]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(word)) =>
                {
                    return false;
                }
                _ => {}
            }
        }
        false
    }

    fn before(&self, start: usize) -> &[Lexeme] {
        &self.lexemes[..self
            .lexemes
            .partition_point(|lexeme| lexeme.range.start < start)]
    }

    fn text_of(&self, lexeme: &Lexeme) -> &'a str {
        &self.text[lexeme.range.clone()]
    }

    /// The table that an alias stands for, or the name itself.
    fn resolve(&self, name: &Lexeme) -> String {
        let name = unquote(self.text_of(name));
        let is_it = |table: &Named| {
            table
                .alias
                .as_ref()
                .is_some_and(|alias| alias.eq_ignore_ascii_case(&name))
        };
        self.tables()
            .into_iter()
            .find(is_it)
            .map_or(name, |table| table.name)
    }

    /// The relations behind FROM, JOIN and the commas of FROM.
    fn tables(&self) -> Vec<Named> {
        let mut tables: Vec<Named> = Vec::new();
        for (index, lexeme) in self.lexemes.iter().enumerate() {
            let word = self.text_of(lexeme);
            let introduces = word.eq_ignore_ascii_case("FROM")
                || word.eq_ignore_ascii_case("JOIN")
                || word == ","
                    && tables.len() < TABLES_MAX
                    && self.is_in_from_list(&self.lexemes[..index]);
            if introduces
                && tables.len() < TABLES_MAX
                && let Some(table) = self.named(index + 1)
                && !tables.iter().any(|known| known.name == table.name)
            {
                tables.push(table);
            }
        }
        tables
    }

    /// The relation whose name starts at lexeme `index`, with its alias.
    fn named(&self, index: usize) -> Option<Named> {
        let first = self.lexemes.get(index)?;
        // The name being typed is no table yet.
        if first.range.end == self.cursor {
            return None;
        }
        let mut next = index + 1;
        let mut name = match first.kind {
            LexemeKind::Word if !super::is_keyword(self.text_of(first)) => {
                self.text_of(first).to_owned()
            }
            LexemeKind::QuotedName | LexemeKind::String if first.is_closed => {
                unquote(self.text_of(first))
            }
            _ => return None,
        };
        let text_at = |index: usize| {
            self.lexemes
                .get(index)
                .map_or("", |lexeme| self.text_of(lexeme))
        };
        while text_at(next) == "." && !text_at(next + 1).is_empty() {
            name = format!("{name}.{}", unquote(text_at(next + 1)));
            next += 2;
        }
        if text_at(next).eq_ignore_ascii_case("AS") {
            next += 1;
        }
        let alias = self.lexemes.get(next).filter(|lexeme| match lexeme.kind {
            LexemeKind::Word => !super::is_keyword(self.text_of(lexeme)),
            kind => kind == LexemeKind::QuotedName,
        });
        Some(Named {
            name,
            alias: alias.map(|alias| unquote(self.text_of(alias))),
        })
    }
}

/// The most tables looked for in one statement.
const TABLES_MAX: usize = 64;

fn is_reader_name(word: &str) -> bool {
    word.get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("read_"))
}

/// The content of a quoted name or string; other text as it is.
fn unquote(text: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(content) = text.strip_prefix(quote) {
            let content = content.strip_suffix(quote).unwrap_or(content);
            return content.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    text.to_owned()
}

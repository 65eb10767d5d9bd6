//! The line editor: rustyline with history, completion, hints and highlighting.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Config, Context, Helper};
use sheaf::sql::lexer;
use sheaf::{Result, Session, SheafError};

use super::complete::NameCompleter;
use super::highlight;
use crate::environment;
use crate::terminal::{self, Paint};

/// Statements remembered; older ones are forgotten.
const HISTORY_ENTRIES_MAX: usize = 10_000;
/// Bytes of a statement that is still worth remembering.
const HISTORY_ENTRY_BYTES_MAX: usize = 100_000;
/// Completions shown without asking first.
const COMPLETIONS_SHOWN_MAX: usize = 100;

/// The editor and the file of its history.
pub(super) struct Editor {
    editor: rustyline::Editor<SqlHelper, DefaultHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    /// An editor that completes with the names of `session`.
    pub(super) fn new(session: Session) -> Result<Self> {
        let paint = Paint::of_terminal(terminal::is_output_terminal());
        let config = Config::builder()
            .max_history_size(HISTORY_ENTRIES_MAX)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(terminal_error)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .completion_prompt_limit(COMPLETIONS_SHOWN_MAX)
            .color_mode(if paint.is_on() {
                ColorMode::Enabled
            } else {
                ColorMode::Disabled
            })
            .build();
        let mut editor = rustyline::Editor::with_config(config).map_err(terminal_error)?;
        editor.set_helper(Some(SqlHelper {
            names: RefCell::new(NameCompleter::new(session)),
            paint,
            hinter: HistoryHinter::new(),
        }));
        let history = environment::history_path().filter(|path| make_private_directory(path));
        if let Some(path) = &history {
            let _ = editor.load_history(path); // the first time there is none
        }
        Ok(Self { editor, history })
    }

    /// Reads a complete statement or command; the line starts with `initial`.
    pub(super) fn read(
        &mut self,
        prompt: &(String, String),
        initial: &str,
    ) -> std::result::Result<String, ReadlineError> {
        self.editor.readline_with_initial(prompt, (initial, ""))
    }

    /// Adds an entry to the history and its file, which only the user may read.
    pub(super) fn remember(&mut self, entry: &str) {
        let entry = entry.trim_end();
        if entry.len() > HISTORY_ENTRY_BYTES_MAX {
            return;
        }
        let added = self.editor.add_history_entry(entry).unwrap_or(false);
        if let Some(path) = self.history.as_ref().filter(|_| added) {
            let _ = self.editor.append_history(path); // a full disk must not end the session
        }
    }
}

fn terminal_error(error: ReadlineError) -> SheafError {
    SheafError::data(error.to_string()).with_context("terminal")
}

/// Whether the history's directory is there, or could be made.
fn make_private_directory(path: &Path) -> bool {
    use std::os::unix::fs::DirBuilderExt;
    path.parent().is_some_and(|directory| {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .is_ok()
    })
}

/// What rustyline asks while the user types.
struct SqlHelper {
    /// In a cell since rustyline lends its helper only for reading.
    names: RefCell<NameCompleter>,
    paint: Paint,
    hinter: HistoryHinter,
}

impl Helper for SqlHelper {}

impl Completer for SqlHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.names.borrow_mut().complete(line, cursor))
    }
}

impl Hinter for SqlHelper {
    type Hint = String;

    /// The rest of the last statement that began the same way.
    fn hint(&self, line: &str, cursor: usize, context: &Context<'_>) -> Option<String> {
        // A hint of several lines would push the text below the prompt about.
        self.hinter
            .hint(line, cursor, context)
            .filter(|hint| !hint.contains('\n'))
    }
}

impl Highlighter for SqlHelper {
    fn highlight<'l>(&self, line: &'l str, _cursor: usize) -> Cow<'l, str> {
        if self.paint.is_on() && !line.trim_start().starts_with('\\') {
            Cow::Owned(highlight::highlight(line, self.paint))
        } else {
            Cow::Borrowed(line)
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.paint.dim(hint))
    }

    fn highlight_char(&self, _line: &str, _cursor: usize, kind: CmdKind) -> bool {
        self.paint.is_on() && kind != CmdKind::MoveCursor
    }
}

impl Validator for SqlHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let is_command = text.trim_start().starts_with('\\');
        if is_command || text.trim().is_empty() || lexer::is_complete(text) {
            Ok(ValidationResult::Valid(None))
        } else {
            Ok(ValidationResult::Incomplete)
        }
    }
}

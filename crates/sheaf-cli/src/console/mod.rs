//! The console: what scripts, the prompt and the demo share. It runs statements one after another,
//! shows their results and reports their errors.
//!
//! The front has a small runtime of its own, on one thread; queries run on the session's CPU
//! runtime, and their batches are pulled from here, so that a slow reader slows the query down.
//! The console knows nothing of plans or files.

mod run;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use sheaf::arrow::array::RecordBatch;
use sheaf::sql::StatementKind;
use sheaf::{ErrorKind, Result, Session, SheafError, Statement};
use tokio::runtime::Runtime;

use self::run::{Gave, Run};
use crate::error_report::{self, Source};
use crate::interrupt::{Interrupt, Signal};
use crate::output::Output;
use crate::pager::Pager;
use crate::progress::ProgressBar;
use crate::render::{self, Display, Summary, Target};
use crate::repl::commands;
use crate::script::{Piece, Script};
use crate::terminal::{self, Paint};
use crate::variables::Variables;

/// Scripts that may include each other (`\i`).
const INCLUDE_DEPTH_MAX: usize = 16;

/// How a script, or a line of the prompt, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// At its end.
    Done,
    /// By `\q`.
    Quit,
    /// At an error, which has been reported.
    Failed,
    /// By a signal, which has been reported.
    Cancelled(Signal),
    /// Since nobody reads the output any more.
    Closed,
}

/// See the module.
pub(crate) struct Console {
    /// The engine.
    pub(crate) session: Session,
    /// How results are shown.
    pub(crate) display: Display,
    /// psql's variables.
    pub(crate) variables: Variables,
    /// Whether long results go to the pager.
    pub(crate) pager: bool,
    /// Whether a person sits at the prompt.
    pub(crate) interactive: bool,
    /// Whether statements without rows are answered with a line (`COPY 5`).
    pub(crate) tells_tags: bool,
    /// The last SQL that was run, for `\e` and `\watch`.
    pub(crate) last_sql: String,
    /// Text that the prompt is to start with, from `\e`.
    pub(crate) edited: Option<String>,
    interrupt: Interrupt,
    runtime: Runtime,
    output: Output,
    results: u64,
    progress: bool,
    include_depth: usize,
}

impl Console {
    /// A console over `session`, whose results go to `output`.
    ///
    /// # Errors
    /// `Data` if the system refuses the front's runtime.
    pub(crate) fn new(
        session: Session,
        display: Display,
        output: Output,
        interrupt: Interrupt,
        progress: bool,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            session,
            display,
            variables: Variables::default(),
            pager: true,
            interactive: false,
            tells_tags: false,
            last_sql: String::new(),
            edited: None,
            interrupt,
            runtime,
            output,
            results: 0,
            progress,
            include_depth: 0,
        })
    }

    /// Runs a whole script as it is read; stops at its first error.
    pub(crate) fn run_script(&mut self, mut script: Script) -> Outcome {
        let name = script.name.clone();
        loop {
            if self.ending().is_some() {
                return self.failed(&self.interrupt.error(), None);
            }
            let piece = match self.next_piece(script) {
                Ok((_, None)) => return Outcome::Done,
                Ok((rest, Some(piece))) => {
                    script = rest;
                    piece
                }
                Err(error) => return self.failed(&error, None),
            };
            let outcome = match piece {
                Piece::Command(line) => self.run_command(&line),
                Piece::Sql { text, line_first } => self.run_sql(&text, name.as_deref(), line_first),
            };
            if outcome != Outcome::Done {
                return outcome;
            }
        }
    }

    /// Runs the script `path` from within another (`\i`).
    ///
    /// # Errors
    /// `UserInput` if it cannot be read, or scripts include each other without end.
    pub(crate) fn include(&mut self, path: &Path) -> Result<Outcome> {
        if self.include_depth >= INCLUDE_DEPTH_MAX {
            return Err(SheafError::user(format!(
                "scripts include each other more than {INCLUDE_DEPTH_MAX} deep"
            )));
        }
        let script = Script::open(crate::arguments::Source::File(path.to_owned()))?;
        self.include_depth += 1;
        let outcome = self.run_script(script);
        self.include_depth -= 1;
        Ok(outcome)
    }

    /// Runs a backslash command.
    pub(crate) fn run_command(&mut self, line: &str) -> Outcome {
        self.interrupt.reset();
        match commands::run(self, line) {
            Ok(outcome) => outcome,
            Err(error) => self.failed(&error, None),
        }
    }

    /// Runs the statements of `sql`, whose first line has the number `line_first` in script `name`.
    pub(crate) fn run_sql(&mut self, sql: &str, name: Option<&str>, line_first: u64) -> Outcome {
        self.interrupt.reset();
        let text = self.variables.interpolate(sql);
        let source = Source {
            name,
            text: &text,
            line_first,
        };
        let statements = match self.session.parse(&text) {
            Ok(statements) => statements,
            Err(error) => return self.failed(&error, Some(source)),
        };
        if !statements.is_empty() {
            sql.clone_into(&mut self.last_sql);
        }
        for statement in &statements {
            if let Err(error) = self.run_statement(statement) {
                return self.failed(&error, Some(source));
            }
        }
        Outcome::Done
    }

    /// Runs SQL that a command stands for: `\e` and `\watch` do not see it.
    pub(crate) fn run_own_sql(&mut self, sql: &str) -> Outcome {
        let last_sql = std::mem::take(&mut self.last_sql);
        let outcome = self.run_sql(sql, None, 1);
        self.last_sql = last_sql;
        outcome
    }

    /// Reports `error`, unless it only means that nobody reads the output any more.
    pub(crate) fn failed(&self, error: &SheafError, source: Option<Source<'_>>) -> Outcome {
        if self.output.is_closed() {
            return Outcome::Closed;
        }
        print_error(error, source);
        match self.interrupt.raised() {
            Some(signal) if error.kind() == ErrorKind::Cancelled => Outcome::Cancelled(signal),
            _ => Outcome::Failed,
        }
    }

    /// Writes text for people to where results go, through the pager if it is long.
    ///
    /// # Errors
    /// `Data` if the output cannot be written to.
    pub(crate) fn show(&self, text: &str) -> Result<()> {
        crate::pager::show(text, self.pager().as_ref(), &self.output)
    }

    /// Shows rows that do not come from a statement (`\d`, `\df`).
    ///
    /// # Errors
    /// `Data` if the output cannot be written to.
    pub(crate) fn show_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let display = Display {
            timing: false,
            ..self.display.clone()
        };
        let mut writer = render::writer(&display, &batch.schema(), self.target())?;
        writer.write_batch(batch)?;
        writer.finish(&Summary {
            rows: batch.num_rows() as u64,
            ..Summary::default()
        })
    }

    /// Sends results to `output` from now on.
    pub(crate) fn redirect(&mut self, output: Output) {
        self.output = output;
        self.results = 0;
    }

    /// Where results go.
    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Reads the next piece of `script` on a thread of its own, so that signals end the wait for it.
    ///
    /// # Errors
    /// As for [`Script::next_piece`]; `Cancelled` by a signal.
    fn next_piece(&mut self, mut script: Script) -> Result<(Script, Option<Piece>)> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("sheaf-script".to_owned())
            .spawn(move || {
                let piece = script.next_piece();
                let _ = sender.send(piece.map(|piece| (script, piece))); // a signal may have come first
            })?;
        let mut interrupt = self.interrupt.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = interrupt.wait() => Err(interrupt.error()),
                read = receiver => read.unwrap_or_else(|_| {
                    Err(SheafError::internal("the thread that reads a script ended"))
                }),
            }
        })
    }

    /// The signal that ends the process, if there was one.
    pub(crate) fn ending(&self) -> Option<Signal> {
        self.interrupt.ending()
    }

    /// Waits; `false` if a signal ended the wait.
    pub(crate) fn sleep(&mut self, time: std::time::Duration) -> bool {
        let mut interrupt = self.interrupt.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = interrupt.wait() => false,
                () = tokio::time::sleep(time) => true,
            }
        })
    }

    fn pager(&self) -> Option<Pager> {
        let wanted = self.pager && self.interactive && self.output.is_terminal();
        wanted.then(Pager::of_terminal).flatten()
    }

    fn target(&self) -> Target {
        let is_terminal = self.output.is_terminal();
        Target {
            output: self.output.clone(),
            pager: self.pager(),
            width: if is_terminal {
                terminal::output_width()
            } else {
                None
            },
            paint: Paint::of_terminal(is_terminal),
        }
    }

    /// Runs one statement and shows its result.
    ///
    /// # Errors
    /// Those of the statement, or of the output.
    fn run_statement(&mut self, statement: &Statement) -> Result<()> {
        self.refuse_second_result(statement)?;
        let run = Run {
            statement,
            display: &self.display,
            target: self.target(),
            interrupt: self.interrupt.clone(),
            bar: ProgressBar::default(),
            progress: self.progress && self.session.settings().flag("progress_bar"),
            session: &self.session,
            started: Instant::now(),
        };
        let gave_rows = self.runtime.block_on(Box::pin(run.run()))?;
        match gave_rows {
            Gave::Rows => {
                self.results += 1;
                Ok(())
            }
            Gave::Tag(tag) if self.tells_tags => self.tell(&tag),
            Gave::Tag(_) => Ok(()),
        }
    }

    /// A line about a statement without rows, for people.
    fn tell(&self, tag: &str) -> Result<()> {
        let mut output = self.output.clone();
        let paint = Paint::of_terminal(self.output.is_terminal());
        writeln!(output, "{}", paint.dim(tag))?;
        Ok(output.flush()?)
    }

    fn refuse_second_result(&self, statement: &Statement) -> Result<()> {
        let format = self.display.format;
        if !format.is_one_result() || !gives_rows(&statement.kind) {
            return Ok(());
        }
        if self.output.is_terminal() {
            return Err(SheafError::user("the format is not for terminals")
                .with_hint("name a file with -o, or send the output to a program"));
        }
        if self.results > 0 {
            return Err(
                SheafError::user("the format holds one result, and there are several")
                    .with_hint("run one query, or use COPY (query) TO 'file'"),
            );
        }
        Ok(())
    }
}

/// Prints the report of an error to standard error.
pub(crate) fn print_error(error: &SheafError, source: Option<Source<'_>>) {
    let paint = Paint::of_terminal(terminal::is_error_terminal());
    let report = error_report::report(error, source, paint);
    let _ = std::io::stderr().lock().write_all(report.as_bytes()); // nowhere else to complain
}

fn gives_rows(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Query(_)
            | StatementKind::Show { .. }
            | StatementKind::ShowAll
            | StatementKind::ShowTables { .. }
            | StatementKind::ShowColumns { .. }
            | StatementKind::ShowPartitions { .. }
            | StatementKind::Describe(_)
            | StatementKind::Summarize(_)
            | StatementKind::Execute { .. }
    )
}

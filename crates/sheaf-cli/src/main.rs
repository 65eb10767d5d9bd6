//! The binary `sheaf`: wiring only. It reads the command line, starts a session with the settings
//! of all layers, and hands over to the prompt, a script, the demo or the help.
//!
//! What the engine does is in the library `sheaf`; what people see is in the modules here.

mod allocator;
mod arguments;
mod console;
mod demo;
mod environment;
mod error_report;
mod help;
mod interrupt;
mod output;
mod pager;
mod processor;
mod progress;
mod render;
mod repl;
mod script;
mod serve;
mod terminal;
mod variables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use sheaf::{ErrorKind, Result, Session, SheafError};

use crate::arguments::{Arguments, Source, Subcommands};
use crate::console::{Console, Outcome, print_error};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::render::{Display, Expanded, Format};
use crate::script::Script;

/// An SQL or data error.
const EXIT_FAILED: u8 = 1;
/// Wrong usage.
const EXIT_USAGE: u8 = 2;
/// Rows that a box shows where no pager can show more.
const BOX_ROWS_DEFAULT: usize = 40;

fn main() -> ExitCode {
    if let Some(feature) = processor::missing_feature() {
        let message = format!(
            "this program was built for processors with {feature}, which this one has not; \
             build it with RUSTFLAGS=\"-C target-cpu=x86-64\" cargo build --release"
        );
        print_error(&SheafError::unsupported(message), None);
        return ExitCode::from(EXIT_USAGE);
    }
    let (arguments, sources) = Arguments::read();
    match dispatch(&arguments, sources) {
        Ok(outcome) => ExitCode::from(exit_code(outcome)),
        // Everything that fails before the first statement is about how the program was called.
        Err(error) => {
            print_error(&error, None);
            let is_usage = error.kind() == ErrorKind::UserInput;
            ExitCode::from(if is_usage { EXIT_USAGE } else { EXIT_FAILED })
        }
    }
}

fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Done | Outcome::Quit | Outcome::Closed => 0,
        Outcome::Failed => EXIT_FAILED,
        Outcome::Cancelled(signal) => signal.exit_code(),
    }
}

fn dispatch(arguments: &Arguments, sources: Vec<Source>) -> Result<Outcome> {
    match &arguments.subcommand {
        Some(Subcommands::Completions { shell }) => {
            // Into memory first: the generator would panic if the output went away.
            let mut script = vec![];
            clap_complete::generate(*shell, &mut Arguments::command(), "sheaf", &mut script);
            help::print(&String::from_utf8_lossy(&script))
        }
        Some(Subcommands::Serve(options)) => serve::run(session(arguments)?, options),
        Some(Subcommands::User { command }) => serve::user(command),
        Some(Subcommands::Help { topic }) => help::show(*topic),
        Some(Subcommands::Demo { directory }) => {
            demo::run(&mut console(arguments, false)?, directory)
        }
        None if sources.is_empty() && terminal::is_input_terminal() => {
            let mut console = console(arguments, true)?;
            if arguments.rows.is_none() {
                console.display.rows_max = repl::BOX_ROWS_DEFAULT;
            }
            repl::run(&mut console)
        }
        None if sources.is_empty() => {
            run_scripts(&mut console(arguments, false)?, vec![Source::Stdin])
        }
        None => run_scripts(&mut console(arguments, false)?, sources),
    }
}

fn run_scripts(console: &mut Console, sources: Vec<Source>) -> Result<Outcome> {
    for source in sources {
        let outcome = console.run_script(Script::open(source)?);
        if outcome != Outcome::Done {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Done)
}

/// A console as the command line asks for it. `has_prompt`: Ctrl-C does not end the process.
fn console(arguments: &Arguments, has_prompt: bool) -> Result<Console> {
    let session = session(arguments)?;
    let output = match &arguments.output {
        Some(path) => Output::create(path)?,
        None => Output::stdout(),
    };
    let display = Display {
        format: arguments.format,
        expanded: Expanded::Off,
        null_text: "NULL".to_owned(),
        rows_max: arguments
            .rows
            .map_or(BOX_ROWS_DEFAULT, |rows| rows as usize),
        width: None,
        footer: arguments.format == Format::Box,
        // Times would make the output of a script differ from run to run.
        timing: output.is_terminal(),
    };
    let progress =
        !arguments.no_progress && terminal::is_error_terminal() && !environment::is_terminal_dumb();
    let mut console = Console::new(
        session,
        display,
        output,
        Interrupt::listen(has_prompt)?,
        progress,
    )?;
    for (name, value) in &arguments.variables {
        console.variables.set(name, value)?;
    }
    Ok(console)
}

fn session(arguments: &Arguments) -> Result<Session> {
    let mut builder = Session::builder();
    if let Some((path, text)) = config_text(arguments.config.as_deref())? {
        let named = |error: SheafError| error.with_context(path.display());
        builder = builder.config_text(&text).map_err(named)?;
    }
    builder = builder.environment(environment::variables())?;
    for (name, value) in &arguments.settings.values {
        builder = builder.setting(name, value)?;
    }
    // Names with a point are the engine's own settings, which only SET knows.
    let (engine, own): (Vec<_>, Vec<_>) = arguments
        .set
        .iter()
        .partition(|(name, _)| name.contains('.'));
    for (name, value) in own {
        builder = builder.setting(name, value)?;
    }
    // Before there are threads.
    allocator::suit(builder.memory_limit());
    let session = builder.build()?;
    for (name, value) in engine {
        let sql = format!("SET {name} = '{}'", value.replace('\'', "''"));
        sheaf::block_on(async { session.sql(&sql).await.map(|_| ()) })
            .map_err(|error| error.with_context(format!("--set {name}")))?;
    }
    Ok(session)
}

/// The configuration file's path and text; a file that nobody named need not exist.
fn config_text(named: Option<&Path>) -> Result<Option<(PathBuf, String)>> {
    let Some(path) = named.map(Path::to_owned).or_else(environment::config_path) else {
        return Ok(None);
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SheafError::from(error).with_context(path.display())),
    }
}

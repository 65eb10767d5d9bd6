//! The command line: one declaration, from which parsing, `--help` and completions are made.
//!
//! The options of the settings are not listed here: they are made from [`sheaf::SETTINGS`], so that
//! a new setting is an option (`memory_limit` → `--memory-limit`) without a line of code.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use sheaf::{SETTINGS, Setting, SettingKind};

use crate::help::Topic;
use crate::render::Format;
use crate::serve::{ServeArguments, UserCommand};

/// SQL over partitioned files.
///
/// Without SQL to run, sheaf reads statements from standard input, or shows a prompt if that is a
/// terminal. Paths are tables: sheaf -c "FROM 'logs/*.parquet' LIMIT 5".
#[derive(Debug, Parser)]
#[command(name = "sheaf", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 fine, 1 an SQL or data error, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.\n\
                        More: sheaf help settings, sheaf help formats, sheaf help sql, and \\? at the prompt."
)]
pub(crate) struct Arguments {
    /// A script of SQL (.sql), or a data file to show
    #[arg(value_name = "FILE", conflicts_with_all = ["command", "script"])]
    pub(crate) file: Option<PathBuf>,

    /// Run SQL and exit; may be given several times
    #[arg(short, long, value_name = "SQL")]
    pub(crate) command: Vec<String>,

    /// Run a script and exit (- is standard input); may be given several times
    #[arg(short = 'f', long = "file", id = "script", value_name = "FILE")]
    pub(crate) script: Vec<PathBuf>,

    /// The format of results
    #[arg(
        long,
        value_enum,
        default_value = "box",
        hide_possible_values = false,
        global = true
    )]
    pub(crate) format: Format,

    /// Write results to a file instead of standard output
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(crate) output: Option<PathBuf>,

    /// Rows that a box shows; the middle ones are left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), global = true)]
    pub(crate) rows: Option<u32>,

    /// Give a variable a value, for :name in SQL
    #[arg(short = 'v', long = "variable", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) variables: Vec<(String, String)>,

    /// Give any setting a value, as SET does
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value, global = true)]
    pub(crate) set: Vec<(String, String)>,

    /// Read settings from a file [default: $XDG_CONFIG_HOME/sheaf/config]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Show no progress bar
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,

    /// The settings given by options of their own.
    #[command(flatten)]
    pub(crate) settings: SettingOptions,

    /// Something other than running SQL.
    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommands>,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Subcommands {
    /// Write sample data into a directory and answer questions about it
    Demo {
        /// The directory; made if it does not exist
        #[arg(value_name = "DIR", default_value = "sheaf-demo")]
        directory: PathBuf,
    },
    /// Serve tables to psql, drivers and BI tools
    ///
    /// Without --table, every data file in the current directory is a table, called by its name up to
    /// the first point, and every directory in it that holds data files is one, called by its name:
    /// in lower case, with _ for what is no letter or digit. If two would have the same name, the
    /// second has its format behind it (sales_parquet). What begins with . or _ is left out.
    ///
    /// Clients may read these tables and nothing else: no paths, nothing that writes. Without users
    /// only this machine can connect, without a password; `sheaf user add` defines users. On an
    /// address that other machines can reach, users and TLS are needed.
    Serve(ServeArguments),
    /// Let somebody in who connects to `sheaf serve`
    User {
        /// What to do
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Explain a topic
    Help {
        /// The topic; all of them are listed without one
        #[arg(value_enum)]
        topic: Option<Topic>,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// SQL to run, in the order of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Text from `-c`.
    Text(String),
    /// A script.
    File(PathBuf),
    /// A script on standard input.
    Stdin,
    /// A data file to show.
    Data(PathBuf),
}

impl Arguments {
    /// Reads the process's command line; on wrong usage, ends the process with 2.
    pub(crate) fn read() -> (Self, Vec<Source>) {
        let matches = Self::command().get_matches();
        match Self::from_arg_matches(&matches) {
            Ok(arguments) => {
                let sources = arguments.sources(&matches);
                (arguments, sources)
            }
            Err(error) => error.format(&mut Self::command()).exit(),
        }
    }

    fn sources(&self, matches: &ArgMatches) -> Vec<Source> {
        if let Some(path) = &self.file {
            return vec![source_of_file(path)];
        }
        let indices = |id| matches.indices_of(id).into_iter().flatten();
        let texts = indices("command")
            .zip(&self.command)
            .map(|(i, t)| (i, Source::Text(t.clone())));
        let files = indices("script").zip(&self.script).map(|(i, path)| {
            let is_stdin = path.as_os_str() == "-";
            (
                i,
                if is_stdin {
                    Source::Stdin
                } else {
                    Source::File(path.clone())
                },
            )
        });
        let mut sources: Vec<(usize, Source)> = texts.chain(files).collect();
        sources.sort_by_key(|(index, _)| *index);
        sources.into_iter().map(|(_, source)| source).collect()
    }
}

fn source_of_file(path: &std::path::Path) -> Source {
    let is_script = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("sql"));
    if path.as_os_str() == "-" {
        Source::Stdin
    } else if is_script {
        Source::File(path.to_owned())
    } else {
        Source::Data(path.to_owned())
    }
}

pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// One option for each declared setting.
#[derive(Debug, Default)]
pub(crate) struct SettingOptions {
    /// Names and values, in the order of declaration.
    pub(crate) values: Vec<(&'static str, String)>,
}

/// The settings with the names of their options, without dashes; clap wants names that live on.
pub(crate) static SETTING_OPTIONS: LazyLock<Vec<(&Setting, String)>> = LazyLock::new(|| {
    SETTINGS
        .iter()
        .map(|setting| (setting, setting.name.replace('_', "-")))
        .collect()
});

fn value_name(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Bool => "on|off",
        SettingKind::Count { .. } => "N",
        SettingKind::Bytes { .. } => "SIZE",
        SettingKind::Duration => "TIME",
        SettingKind::Choice(_) => "WORD",
        SettingKind::Text => "TEXT",
    }
}

impl Args for SettingOptions {
    fn augment_args(command: clap::Command) -> clap::Command {
        SETTING_OPTIONS
            .iter()
            .fold(command, |command, (setting, option)| {
                let check = move |text: &str| match setting.check(text) {
                    Ok(()) => Ok(text.to_owned()),
                    Err(error) => Err(format!(
                        "{}{}",
                        error.message(),
                        error
                            .hint()
                            .map(|hint| format!(" ({hint})"))
                            .unwrap_or_default()
                    )),
                };
                let default = if setting.default.is_empty() {
                    "none"
                } else {
                    setting.default
                };
                command.arg(
                    Arg::new(setting.name)
                        .long(option.as_str())
                        .value_name(value_name(setting.kind))
                        .help(format!("{} [default: {default}]", setting.doc))
                        .help_heading("Settings")
                        .value_parser(check)
                        .global(true),
                )
            })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = SETTINGS
            .iter()
            .filter_map(|setting| {
                let value = matches.get_one::<String>(setting.name)?;
                Some((setting.name, value.clone()))
            })
            .collect();
        Ok(Self { values })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(line: &[&str]) -> Vec<Source> {
        let matches = Arguments::command().try_get_matches_from(line).unwrap();
        Arguments::from_arg_matches(&matches)
            .unwrap()
            .sources(&matches)
    }

    #[test]
    fn the_declaration_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn texts_and_scripts_keep_their_order() {
        assert_eq!(
            sources(&["sheaf", "-c", "a", "-f", "b.sql", "-c", "c", "-f", "-"]),
            [
                Source::Text("a".into()),
                Source::File("b.sql".into()),
                Source::Text("c".into()),
                Source::Stdin
            ]
        );
        assert_eq!(sources(&["sheaf", "x.SQL"]), [Source::File("x.SQL".into())]);
        assert_eq!(
            sources(&["sheaf", "x.parquet"]),
            [Source::Data("x.parquet".into())]
        );
    }

    #[test]
    fn every_setting_is_an_option_that_checks_its_value() {
        for (setting, option) in SETTING_OPTIONS.iter() {
            let option = format!("--{option}={}", setting.default);
            let arguments = Arguments::try_parse_from(["sheaf", &option]).unwrap();
            assert_eq!(
                arguments.settings.values,
                [(setting.name, setting.default.to_owned())]
            );
        }
        let error = Arguments::try_parse_from(["sheaf", "--threads", "0"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let demo = [
            "sheaf",
            "demo",
            "here",
            "--memory-limit",
            "1GB",
            "--format",
            "csv",
        ];
        assert_eq!(Arguments::try_parse_from(demo).unwrap().format, Format::Csv);
    }
}

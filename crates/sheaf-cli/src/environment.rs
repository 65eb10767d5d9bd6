//! The process environment: the only file of the binary that reads it.
//!
//! Which variables there are and what they mean: `SHEAF_…` settings and object-store credentials
//! (handed to the library as they are), `NO_COLOR`, `TERM`, `PAGER`, `EDITOR`, and the XDG
//! directories for the configuration and the history.

use std::path::PathBuf;

/// The value of a variable, if it is set, not empty and valid text.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the binary's reader of the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every variable that is valid text, for the settings and the object stores.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Whether the user wants no colours (<https://no-color.org>), or the terminal has none.
pub(crate) fn no_color() -> bool {
    variable("NO_COLOR").is_some() || is_terminal_dumb()
}

/// Whether the terminal is one that only prints.
pub(crate) fn is_terminal_dumb() -> bool {
    variable("TERM").is_some_and(|term| term == "dumb")
}

/// The pager's command line, as the user has chosen it.
pub(crate) fn pager() -> Option<String> {
    variable("SHEAF_PAGER").or_else(|| variable("PAGER"))
}

/// What tells `less` that text is UTF-8, which it shows as codes where the locale does not say so;
/// nothing if the user has told it.
pub(crate) fn less_charset() -> Option<(&'static str, &'static str)> {
    const NAME: &str = "LESSCHARSET";
    variable(NAME).is_none().then_some((NAME, "utf-8"))
}

/// The editor's command line.
pub(crate) fn editor() -> String {
    variable("VISUAL")
        .or_else(|| variable("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned())
}

/// The user's home directory.
pub(crate) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}

/// The file of users: `$XDG_CONFIG_HOME/sheaf/users`.
pub(crate) fn users_path() -> Option<PathBuf> {
    directory("XDG_CONFIG_HOME", ".config").map(|directory| directory.join("sheaf").join("users"))
}

/// The configuration file: `$XDG_CONFIG_HOME/sheaf/config`.
pub(crate) fn config_path() -> Option<PathBuf> {
    directory("XDG_CONFIG_HOME", ".config").map(|directory| directory.join("sheaf").join("config"))
}

/// The history of the prompt: `$XDG_STATE_HOME/sheaf/history`.
pub(crate) fn history_path() -> Option<PathBuf> {
    directory("XDG_STATE_HOME", ".local/state")
        .map(|directory| directory.join("sheaf").join("history"))
}

/// An XDG base directory; relative paths are ignored, as the specification asks.
fn directory(name: &str, below_home: &str) -> Option<PathBuf> {
    variable(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home().map(|home| home.join(below_home)))
}

//! The terminal's properties: which streams are one, how wide it is, whether it takes colours.

use std::io::IsTerminal;

use terminal_size::{Height, Width};

use crate::environment;

/// Colours for one stream, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// No colours.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self(false);

    /// Colours if `is_terminal`, and the user has not forbidden them.
    pub(crate) fn of_terminal(is_terminal: bool) -> Self {
        Self(is_terminal && !environment::no_color())
    }

    /// Whether there are colours.
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Less than plain.
    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// More than plain.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For errors.
    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// For hints.
    pub(crate) fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// Any style, by its code.
    pub(crate) fn with(self, code: &str, text: &str) -> String {
        self.wrap(code, text)
    }
}

/// Whether standard input is a terminal.
pub(crate) fn is_input_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Whether standard output is a terminal.
pub(crate) fn is_output_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub(crate) fn is_error_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Columns of the terminal on standard output.
pub(crate) fn output_width() -> Option<usize> {
    let (Width(columns), _) = terminal_size::terminal_size_of(std::io::stdout())?;
    (columns > 0).then_some(usize::from(columns))
}

/// Lines of the terminal on standard output.
pub(crate) fn output_height() -> Option<usize> {
    let (_, Height(lines)) = terminal_size::terminal_size_of(std::io::stdout())?;
    (lines > 0).then_some(usize::from(lines))
}

/// Columns of the terminal on standard error.
pub(crate) fn error_width() -> Option<usize> {
    let (Width(columns), _) = terminal_size::terminal_size_of(std::io::stderr())?;
    (columns > 0).then_some(usize::from(columns))
}

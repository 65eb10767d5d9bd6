//! Options of the suites: `--name value` or `--name`, as a suite's line of arguments declares.

use crate::failure::{Failure, Result};

/// The options given, checked against the declared ones.
#[derive(Debug, Default)]
pub(super) struct Options(Vec<(String, String)>);

impl Options {
    /// Reads `arguments`; `declared` is the suite's line for the help: `[--scale 1] [--peers]`.
    pub(super) fn parse(declared: &str, arguments: &[String]) -> Result<Self> {
        let declared: Vec<&str> = declared.split(['[', ']']).map(str::trim).collect();
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let takes = |with_value: bool| {
                declared.iter().any(|option| match option.split_once(' ') {
                    Some((name, _)) => with_value && name == argument,
                    None => !with_value && option == argument,
                })
            };
            if takes(false) {
                options.0.push((argument.clone(), String::new()));
            } else if takes(true) {
                let missing = || Failure::new(format!("{argument} needs a value"));
                options
                    .0
                    .push((argument.clone(), rest.next().ok_or_else(missing)?.clone()));
            } else {
                return Err(Failure::new(format!("there is no option {argument}")));
            }
        }
        Ok(options)
    }

    /// The value of `--name`, if given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether `--name` is given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The whole number after `--name`, or `default`.
    pub(super) fn count(&self, name: &str, default: usize) -> Result<usize> {
        self.text(name).map_or(Ok(default), |text| {
            text.parse()
                .map_err(|_| Failure::new(format!("{name} takes a number, not {text}")))
        })
    }

    /// The size after `--name` (`500MB`, `10GB`, in powers of 1000) in bytes.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<u64>> {
        self.text(name).map(bytes_of).transpose()
    }

    /// The sizes after `--name`, separated by commas, in bytes; `default` (in the same form) if
    /// there are none.
    pub(super) fn sizes(&self, name: &str, default: &str) -> Result<Vec<u64>> {
        let text = self.text(name).unwrap_or(default);
        text.split(',').map(|size| bytes_of(size.trim())).collect()
    }
}

fn bytes_of(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => {
            return Err(Failure::new(format!(
                "{text} is no size; write 500MB or 10GB"
            )));
        }
    };
    let number = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| Failure::new(format!("{text} is no size; write 500MB or 10GB")))
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parse(line: &str) -> crate::failure::Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse("[--scale 1] [--memory 1GB] [--peers]", &words)
    }

    #[test]
    fn declared_options_are_taken() {
        let options = parse("--scale 10 --peers --memory 500MB").unwrap();
        assert_eq!(options.count("--scale", 1).unwrap(), 10);
        assert!(options.flag("--peers"));
        assert_eq!(options.bytes("--memory").unwrap(), Some(500_000_000));
        assert_eq!(
            options.sizes("--limits", "1GB, 512MB").unwrap(),
            [1_000_000_000, 512_000_000]
        );
    }

    #[test]
    fn others_are_refused() {
        assert!(parse("--peer").is_err());
        assert!(parse("--scale").is_err());
        assert!(parse("--memory lots").unwrap().bytes("--memory").is_err());
    }
}

//! NumPy and Dask, a process for each row: see `benches/arrays.py`.

use std::path::PathBuf;
use std::process::Command;

use super::row::{Row, Source};
use super::{Outcome, Suite};
use crate::failure::Result;
use crate::{process, workspace};

/// The packages of the peers' environment.
const PACKAGES: [&str; 3] = ["numpy==2.*", "dask[array]", "zarr==3.*"];

/// The peers, in the order of the table: their names for the program, and their titles.
pub(super) static ENGINES: [(&str, &str); 2] = [("numpy", "NumPy"), ("dask", "Dask")];

/// What one peer did with a row.
pub(super) struct Peer {
    pub(super) title: &'static str,
    pub(super) version: String,
    /// Or why there is none.
    pub(super) outcome: std::result::Result<Outcome, String>,
}

impl Peer {
    /// Its title and version.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.title, self.version)
    }
}

/// The interpreter that has the peers.
///
/// # Errors
/// Python or pip that does not do its part.
pub(super) fn python() -> Result<PathBuf> {
    workspace::python("bench-arrays", &PACKAGES)
}

/// What both peers do with `row`.
///
/// # Errors
/// Python or pip that does not do its part.
pub(super) fn measure(suite: &Suite, row: &Row, source: Source) -> Result<Vec<Peer>> {
    let python = python()?;
    let script = workspace::root().join("benches/arrays.py");
    let one = |(engine, title)| {
        let mut command = Command::new(&python);
        command
            .args(["-B", "-W", "ignore"])
            .arg(&script)
            .args(["--engine", engine, "--row", row.name])
            .args(["--size", &suite.size.to_string()])
            .args(["--threads", &suite.threads.to_string()])
            .args(["--runs", &suite.runs.to_string()]);
        if source == Source::Zarr {
            command.arg("--data").arg(&suite.data);
        }
        let printed =
            process::capture(&mut command).map_err(|failure| last_line(&failure.to_string()));
        let version = printed
            .as_deref()
            .ok()
            .and_then(|printed| line(printed, "version"));
        Peer {
            title,
            version: version.unwrap_or_default().to_owned(),
            outcome: printed.and_then(|printed| read(&printed)),
        }
    };
    Ok(ENGINES.map(one).into())
}

fn last_line(text: &str) -> String {
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or_default().to_owned()
}

/// What the program has printed behind `name`.
fn line<'a>(printed: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = printed.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))
}

/// What the program has measured.
fn read(printed: &str) -> std::result::Result<Outcome, String> {
    let of = |name: &str| line(printed, name).ok_or_else(|| format!("it does not tell its {name}"));
    let number = |text: &str| {
        text.parse::<f64>()
            .map_err(|_| format!("{text} is no number"))
    };
    let peak = of("peak")?;
    Ok(Outcome {
        seconds: number(of("seconds")?)?,
        loading_seconds: number(of("loading")?)?,
        peak_bytes: peak
            .parse()
            .map_err(|_| format!("{peak} is no number of bytes"))?,
        answer: of("answer")?
            .split('\t')
            .map(number)
            .collect::<std::result::Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_is_printed_is_read() {
        let printed = "version\t2.4\nseconds\t0.5\nloading\t1.5\npeak\t1000\nanswer\t0.25\t3e2\n";
        let outcome = read(printed).unwrap();
        assert_eq!(outcome.peak_bytes, 1000);
        assert_eq!(outcome.answer, [0.25, 300.0]);
        assert!((outcome.loading_seconds - 1.5).abs() < 1e-12);
        assert!(read("seconds\t0.5\n").is_err());
    }
}

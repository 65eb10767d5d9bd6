//! The progress bar on standard error.
//!
//! One line, drawn by one write that overwrites the line before it (no clearing first, hence no
//! flicker), erased before anything else is written to the terminal. It appears once a query has
//! run for [`DELAY`].

use std::io::Write;
use std::time::Duration;

use sheaf::units::format_duration;
use sheaf::{ByteCount, Progress, RowCount};

use crate::render::text;
use crate::terminal;

/// Time that a query runs before it gets a bar.
const DELAY: Duration = Duration::from_millis(500);
/// Time between two drawings.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// Cells of the bar itself.
const BAR_CELLS: usize = 20;
/// Columns assumed where the terminal does not tell.
const WIDTH_DEFAULT: usize = 80;

/// A bar that is, or is not, on the screen.
#[derive(Debug, Default)]
pub(crate) struct ProgressBar {
    shown: String,
    finished: bool,
}

impl ProgressBar {
    /// Draws the state `progress`.
    pub(crate) fn draw(&mut self, progress: &Progress) {
        if self.finished || progress.elapsed < DELAY {
            return;
        }
        let width = terminal::error_width().unwrap_or(WIDTH_DEFAULT);
        // The last column stays free: writing to it makes some terminals go to the next line.
        let line = text::shorten(&line(progress), width.saturating_sub(1));
        if line == self.shown {
            return;
        }
        let _ = write_error(&format!("\r{line}\x1b[K"));
        self.shown = line;
    }

    /// Takes the bar off the screen; it may be drawn again.
    pub(crate) fn erase(&mut self) {
        if !self.shown.is_empty() {
            let _ = write_error("\r\x1b[K");
            self.shown.clear();
        }
    }

    /// Takes the bar off the screen for good: rows now go to the terminal.
    pub(crate) fn finish(&mut self) {
        self.erase();
        self.finished = true;
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        self.erase();
    }
}

fn write_error(text: &str) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}

/// ` 43 % ▕████████▌           ▏ 12,300,000 rows · 1.20 GB of 2.80 GB · 350 MB/s · 5 s left`.
fn line(progress: &Progress) -> String {
    let mut out = match progress.fraction {
        Some(fraction) => bar(fraction.clamp(0.0, 1.0)),
        None => String::from("running"),
    };
    let mut parts = vec![];
    if progress.rows_scanned > 0 {
        parts.push(format!("{} rows", RowCount(progress.rows_scanned)));
    }
    let bytes = progress.bytes_scanned;
    if bytes > 0 {
        let seconds = progress.elapsed.as_secs_f64();
        parts.push(match progress.bytes_total.filter(|total| *total >= bytes) {
            Some(total) => format!("{} of {}", ByteCount(bytes), ByteCount(total)),
            None => ByteCount(bytes).to_string(),
        });
        parts.push(format!("{}/s", rate(bytes, seconds)));
    }
    match progress.remaining {
        Some(left) => parts.push(format!("{} left", format_duration(whole_seconds(left)))),
        None => parts.push(format_duration(progress.elapsed)),
    }
    if progress.spilled_bytes > 0 {
        parts.push(format!("{} spilled", ByteCount(progress.spilled_bytes)));
    }
    out.push(' ');
    out.push_str(&parts.join(" · "));
    out
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both factors are positive, and a float cast saturates"
)]
fn rate(bytes: u64, seconds: f64) -> ByteCount {
    ByteCount((bytes as f64 / seconds.max(1e-3)) as u64)
}

/// Times left are guesses: fractions of a second would only make the line restless.
fn whole_seconds(left: Duration) -> Duration {
    Duration::from_secs(left.as_secs().max(1))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the fraction lies between 0 and 1"
)]
fn bar(fraction: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let filled = (fraction * (BAR_CELLS * 8) as f64) as usize;
    let mut cells = "█".repeat(filled / 8);
    cells.push_str(EIGHTHS[filled % 8]);
    let mut out = format!("{:3.0} % ▕", (fraction * 100.0).floor());
    text::pad(&cells, BAR_CELLS, false, &mut out);
    out.push('▏');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_in_eighths_of_a_cell() {
        assert_eq!(bar(0.0), format!("  0 % ▕{}▏", " ".repeat(20)));
        assert_eq!(
            bar(0.5),
            format!(" 50 % ▕{}{}▏", "█".repeat(10), " ".repeat(10))
        );
        // 0.53 of 160 eighths is 84.8: ten cells and four eighths.
        assert_eq!(
            bar(0.53),
            format!(" 53 % ▕{}▌{}▏", "█".repeat(10), " ".repeat(9))
        );
        assert_eq!(bar(1.0), format!("100 % ▕{}▏", "█".repeat(20)));
    }
}

//! `sheaf demo`: writes sample data, asks it questions, and shows both questions and answers.
//!
//! With a format other than a box the answers alone go to standard output, an empty line between
//! them, and the story to standard error: so that programs can compare the numbers.

mod data;
mod tour;

use std::io::Write;
use std::path::Path;

use sheaf::{Result, SheafError};

use crate::console::{Console, Outcome};
use crate::output::Output;
use crate::render::Format;
use crate::terminal::{self, Paint};

/// Writes the data into `directory` and runs the tour.
///
/// # Errors
/// `Data` or `UserInput` if the data cannot be written.
pub(crate) fn run(console: &mut Console, directory: &Path) -> Result<Outcome> {
    match tour(console, directory) {
        Err(_) if console.output().is_closed() => Ok(Outcome::Closed),
        result => result,
    }
}

fn tour(console: &mut Console, directory: &Path) -> Result<Outcome> {
    if console.display.format.is_one_result() {
        return Err(
            SheafError::user("the demo has several results, and the format holds one")
                .with_hint("use box, csv, tsv, json, ndjson or markdown"),
        );
    }
    data::write(directory)?;
    let story = Story::of(console);
    console.tells_tags = story.is_with_answers;
    let shown = directory.display().to_string();
    story.tell(&format!(
        "Sample data is in {shown}: access logs, events, sales."
    ))?;
    for (number, step) in (1..).zip(tour::STEPS) {
        // The path stands in a string literal of SQL.
        let sql = format!("{};", step.sql.replace("DIR", &shown.replace('\'', "''")));
        story.tell(&format!(
            "\n{}\n",
            story.paint.bold(&format!("{number}. {}", step.title))
        ))?;
        story.tell(&format!("{sql}\n"))?;
        if number > 1 && !story.is_with_answers && !step.sql.starts_with("COPY") {
            console.show("\n")?;
        }
        let outcome = console.run_sql(&sql, None, 1);
        if outcome != Outcome::Done {
            return Ok(outcome);
        }
    }
    story.tell(&next_steps(&shown))?;
    Ok(Outcome::Done)
}

fn next_steps(directory: &str) -> String {
    format!(
        "\nTry next:\n  \
         sheaf -c \"SUMMARIZE '{directory}/access_*.jsonl'\"\n  \
         sheaf -c \"SHOW PARTITIONS FROM '{directory}/access_*.jsonl'\" --format markdown\n  \
         sheaf              the prompt; \\? lists its commands\n  \
         sheaf help sql     the statements"
    )
}

/// What the demo says, and where.
struct Story {
    output: Output,
    paint: Paint,
    /// Whether the story and the answers go to the same place.
    is_with_answers: bool,
}

impl Story {
    fn of(console: &Console) -> Self {
        let is_with_answers = matches!(console.display.format, Format::Box | Format::Markdown);
        if is_with_answers {
            let paint = Paint::of_terminal(console.output().is_terminal());
            return Self {
                output: console.output().clone(),
                paint,
                is_with_answers,
            };
        }
        let is_terminal = terminal::is_error_terminal();
        Self {
            output: Output::new("standard error", Box::new(std::io::stderr()), is_terminal),
            paint: Paint::of_terminal(is_terminal),
            is_with_answers,
        }
    }

    fn tell(&self, text: &str) -> Result<()> {
        let mut output = self.output.clone();
        writeln!(output, "{text}")?;
        Ok(output.flush()?)
    }
}

//! One statement under way: its batches are pulled and shown, its progress is drawn, and a signal
//! ends it.

use std::pin::pin;
use std::time::Instant;

use sheaf::arrow::array::RecordBatch;
use sheaf::sql::StatementKind;
use sheaf::{ByteCount, QueryResult, Result, Session, Statement};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::interrupt::Interrupt;
use crate::progress::{self, ProgressBar};
use crate::render::{self, Column, DateTimeStyle, Display, Format, ResultWriter, Summary, Target};

/// What a statement gave.
pub(super) enum Gave {
    /// Rows, which have been shown.
    Rows,
    /// Only a tag.
    Tag(String),
}

/// One statement under way.
pub(super) struct Run<'a> {
    /// The statement.
    pub(super) statement: &'a Statement,
    /// How its rows are shown.
    pub(super) display: &'a Display,
    /// Where they go.
    pub(super) target: Target,
    /// What ends it.
    pub(super) interrupt: Interrupt,
    /// The bar, which is not on the screen yet.
    pub(super) bar: ProgressBar,
    /// Whether there is one.
    pub(super) progress: bool,
    /// The session that runs it.
    pub(super) session: &'a Session,
    /// When it began.
    pub(super) started: Instant,
}

impl Run<'_> {
    /// Runs it to its end and shows its rows.
    ///
    /// # Errors
    /// Those of the statement, or of the output; `Cancelled` by a signal.
    pub(super) async fn run(mut self) -> Result<Gave> {
        let mut ticks = interval(progress::INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut result = self.start(&mut ticks).await?;
        if !result.is_rows() {
            return Ok(Gave::Tag(result.tag()));
        }
        let is_plan = matches!(self.statement.kind, StatementKind::Explain { .. })
            && matches!(self.display.format, Format::Box | Format::Markdown);
        if is_plan {
            let mut plan = PlanText(String::new());
            let summary = self.pull(&mut result, &mut plan, &mut ticks, true).await?;
            self.bar.finish();
            let text = if summary.rows == 0 {
                String::new()
            } else {
                plan.0
            };
            crate::pager::show(&text, self.target.pager.as_ref(), &self.target.output)?;
            return Ok(Gave::Rows);
        }
        let target = Target {
            output: self.target.output.clone(),
            pager: self.target.pager.take(),
            ..self.target
        };
        let holds_back = self.display.format == Format::Box;
        let mut writer = render::writer(self.display, &result.schema(), target)?;
        let summary = self
            .pull(&mut result, writer.as_mut(), &mut ticks, holds_back)
            .await?;
        self.bar.finish();
        writer.finish(&summary)?;
        Ok(Gave::Rows)
    }

    /// Starts the statement; what gives no rows (COPY, say) has then ended already.
    async fn start(&mut self, ticks: &mut Interval) -> Result<QueryResult> {
        let session = self.session;
        let mut running = pin!(session.run(self.statement));
        loop {
            tokio::select! {
                biased;
                () = self.interrupt.wait() => return Err(self.interrupt.error()),
                result = &mut running => return result,
                _ = ticks.tick(), if self.progress => {
                    if let Some(progress) = running_progress(session) {
                        self.bar.draw(&progress);
                    }
                }
            }
        }
    }

    /// Takes the result's batches as they come. `holds_back`: the writer writes nothing before the
    /// end, so that the bar may stay on the screen until then.
    async fn pull(
        &mut self,
        result: &mut QueryResult,
        writer: &mut dyn ResultWriter,
        ticks: &mut Interval,
        holds_back: bool,
    ) -> Result<Summary> {
        let mut rows = 0;
        let to_terminal = self.target.output.is_terminal();
        loop {
            tokio::select! {
                biased;
                () = self.interrupt.wait() => {
                    result.query().cancel();
                    return Err(self.interrupt.error());
                }
                batch = result.next_batch() => {
                    let Some(batch) = batch else { break };
                    let batch = batch?;
                    rows += batch.num_rows() as u64;
                    if to_terminal && !holds_back {
                        self.bar.finish();
                    }
                    writer.write_batch(&batch)?;
                }
                _ = ticks.tick(), if self.progress => {
                    let progress = result.query().progress();
                    self.bar.draw(&progress);
                }
            }
        }
        let progress = result.query().progress();
        Ok(Summary {
            rows,
            elapsed: self.started.elapsed(),
            memory_peak: Some(ByteCount(progress.memory_peak_bytes)),
        })
    }
}

/// The progress of the statement that the session is running (a console runs one at a time).
fn running_progress(session: &Session) -> Option<sheaf::Progress> {
    session
        .engine()
        .registry()
        .list()
        .into_iter()
        .rev()
        .map(|q| q.progress)
        .find(|p| !p.state.has_ended())
}

/// Plans are text with line breaks of their own: they are shown as they are, without a box.
struct PlanText(String);

impl ResultWriter for PlanText {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let Some(last) = batch.columns().last() else {
            return Ok(());
        };
        let column = Column::new(last.as_ref(), DateTimeStyle::Sql);
        for row in 0..batch.num_rows() {
            column.write(row, &mut self.0);
            if !self.0.ends_with('\n') {
                self.0.push('\n');
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _summary: &Summary) -> Result<()> {
        Ok(())
    }
}

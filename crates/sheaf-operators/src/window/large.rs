//! A partition larger than memory: written to disk, then read back with its columns.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::Accumulator;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

use super::function::{Function, Need, Sorting};
use super::keys::{KeyReader, Runs};
use super::numbering::{Number, Place, Stretch};
use crate::spill::{SpillWriter, SpilledRows};

/// The first pass: rows go to disk, aggregates over all of them are taken.
pub(super) struct LargePartition {
    writer: SpillWriter,
    functions: Arc<[Function]>,
    /// One for each function that needs the whole partition.
    accumulators: Vec<Option<Box<dyn Accumulator>>>,
    /// For the accumulators' state.
    reservation: MemoryReservation,
}

impl LargePartition {
    pub(super) fn new(
        writer: SpillWriter,
        functions: Arc<[Function]>,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let mut accumulators = Vec::with_capacity(functions.len());
        for function in functions.iter() {
            accumulators.push(match &function.need {
                Need::Whole(aggregate) => Some(aggregate.expr.create_accumulator()?),
                Need::Numbering(_) => None,
                _ => return internal_err!("{} needs its rows", function.expr.name()),
            });
        }
        Ok(Self {
            writer,
            functions,
            accumulators,
            reservation,
        })
    }

    pub(super) fn append(&mut self, rows: &RecordBatch) -> Result<()> {
        for (function, accumulator) in self.functions.iter().zip(&mut self.accumulators) {
            if let (Need::Whole(aggregate), Some(accumulator)) = (&function.need, accumulator)
                && let Some(args) = aggregate.counted(&function.expr.evaluate_args(rows)?)?
            {
                accumulator.update_batch(&args)?;
            }
        }
        let state_bytes = self.accumulators.iter().flatten().map(|a| a.size()).sum();
        self.reservation.try_resize(state_bytes)?;
        self.writer.append(rows)
    }

    /// The second pass, after the last row.
    pub(super) fn finish(self, sorting: &Sorting) -> Result<Replay> {
        let rows = self.writer.finish()?;
        let mut totals = Vec::with_capacity(self.accumulators.len());
        for accumulator in self.accumulators {
            totals.push(match accumulator {
                Some(mut accumulator) => Some(accumulator.evaluate()?),
                None => None,
            });
        }
        let has = |is_wanted: fn(Number) -> bool| {
            let mut functions = self.functions.iter();
            functions.any(|f| matches!(f.need, Need::Numbering(number) if is_wanted(number)))
        };
        let peer_ends = if has(|number| number == Number::CumeDist) {
            Some(PeerEnds::new(&rows, sorting)?)
        } else {
            None
        };
        Ok(Replay {
            stream: rows.read()?,
            keys: KeyReader::new(sorting.clone(), has(Number::needs_peers)),
            place: Place::default(),
            totals,
            peer_ends,
            functions: self.functions,
            row_count: rows.row_count() as u64,
            _reservation: self.reservation,
        })
    }
}

/// The second pass: rows come back, and get their columns.
pub(super) struct Replay {
    stream: SendableRecordBatchStream,
    functions: Arc<[Function]>,
    keys: KeyReader,
    place: Place,
    /// The aggregates over the partition, a place for each function.
    totals: Vec<Option<ScalarValue>>,
    peer_ends: Option<PeerEnds>,
    row_count: u64,
    _reservation: MemoryReservation,
}

impl Replay {
    /// The next rows, and the columns that the functions add.
    pub(super) async fn next(&mut self) -> Result<Option<(RecordBatch, Vec<ArrayRef>)>> {
        // Only batches with rows were written.
        let Some(rows) = self.stream.next().await.transpose()? else {
            return Ok(None);
        };
        let runs = self.keys.read(&rows)?;
        let mut stretches = stretches(&runs, self.row_count);
        if let Some(peer_ends) = &mut self.peer_ends {
            for stretch in &mut stretches {
                if stretch.begins_peers {
                    peer_ends.pass().await?;
                }
                stretch.peers_end = peer_ends.current;
            }
        }
        let mut columns = Vec::with_capacity(self.functions.len());
        for (function, total) in self.functions.iter().zip(&self.totals) {
            columns.push(match (&function.need, total) {
                (Need::Numbering(number), _) => self.place.numbers(*number, &stretches),
                (_, Some(total)) => total.to_array_of_size(rows.num_rows())?,
                (_, None) => return internal_err!("{} has no total", function.expr.name()),
            });
        }
        self.place = self.place.after(&stretches);
        Ok(Some((rows, columns)))
    }
}

/// The rows of a batch as stretches: runs of peers, if those were looked for. `partition_rows` is
/// not known while streaming, and not needed.
pub(super) fn stretches(runs: &Runs, partition_rows: u64) -> Vec<Stretch> {
    let ranges = if runs.peers.is_empty() {
        &runs.partitions
    } else {
        &runs.peers
    };
    let mut partitions = runs.partitions.iter().peekable();
    let mut stretches = Vec::with_capacity(ranges.len());
    for range in ranges {
        let is_first = range.start == 0;
        let begins_partition = partitions
            .next_if(|partition| partition.start == range.start)
            .is_some();
        stretches.push(Stretch {
            row_count: range.len() as u64,
            begins_partition: begins_partition && (!is_first || runs.begins_partition),
            begins_peers: !is_first || runs.begins_peers,
            partition_rows,
            peers_end: 0,
        });
    }
    stretches
}

/// Where runs of peers end, found by a reader that runs ahead.
struct PeerEnds {
    stream: SendableRecordBatchStream,
    keys: KeyReader,
    /// Rows before the runs not yet counted.
    row_count: u64,
    /// Lengths of the runs found; the last may go on.
    runs: VecDeque<u64>,
    is_done: bool,
    /// Rows up to the end of the run that was passed last.
    current: u64,
}

impl PeerEnds {
    fn new(rows: &SpilledRows, sorting: &Sorting) -> Result<Self> {
        Ok(Self {
            stream: rows.read()?,
            keys: KeyReader::new(sorting.clone(), true),
            row_count: 0,
            runs: VecDeque::new(),
            is_done: false,
            current: 0,
        })
    }

    /// Passes the next run of peers: `current` is its end.
    async fn pass(&mut self) -> Result<()> {
        while !self.is_done && self.runs.len() < 2 {
            match self.stream.next().await.transpose()? {
                Some(batch) => {
                    let runs = self.keys.read(&batch)?;
                    for (number, run) in runs.peers.iter().enumerate() {
                        match self.runs.back_mut() {
                            Some(last) if number == 0 && !runs.begins_peers => {
                                *last += run.len() as u64;
                            }
                            _ => self.runs.push_back(run.len() as u64),
                        }
                    }
                }
                None => self.is_done = true,
            }
        }
        self.row_count += self.runs.pop_front().unwrap_or(0);
        self.current = self.row_count;
        Ok(())
    }
}

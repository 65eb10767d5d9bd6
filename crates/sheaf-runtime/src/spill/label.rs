//! Whose a spill file is and where it lies: what errors of it name.

use std::io;
use std::path::PathBuf;

use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, SheafError};

/// Where there is something wrong with the place, rather than with one file of it.
pub(super) const ELSEWHERE: &str = "SET temp_directory to a directory that can be written";

/// What the engine calls its operators when it asks for a file, and what users call them.
const OPERATORS: &[(&str, &str)] = &[
    ("Sorting", "the sort"),
    ("MultiLevelMergeBuilder intermediate spill", "the sort"),
    ("MultiLevelMergeBuilder split skewed spill", "the sort"),
    ("SpillPool", "the exchange of rows between threads"),
    ("NestedLoopJoin left spill", "the nested-loop join"),
    ("sort_merge_join_buffered_spill", "the merge join"),
    ("semi_anti_smj_inner_key_spill", "the merge join"),
    ("FinalHashAggregateSpill", "the aggregate"),
];

/// A file and the operator that spills to it.
#[derive(Debug)]
pub(super) struct Label {
    operator: String,
    pub(super) path: PathBuf,
}

/// What users call an operator that asks for a file with `description`.
pub(super) fn operator_name(description: &str) -> &str {
    OPERATORS
        .iter()
        .find(|(engine, _)| *engine == description)
        .map_or(description, |(_, name)| name)
}

impl Label {
    pub(super) fn new(description: &str, path: PathBuf) -> Self {
        Self {
            operator: operator_name(description).to_owned(),
            path,
        }
    }

    pub(super) fn cannot_open(&self, error: &io::Error) -> SheafError {
        self.failed("open the spill file", error)
    }

    pub(super) fn cannot_write(&self, bytes: usize, error: &io::Error) -> SheafError {
        self.failed(&format!("write {} to", ByteCount::from(bytes)), error)
    }

    pub(super) fn cannot_read(&self, bytes: usize, offset: u64, error: &io::Error) -> SheafError {
        let bytes = ByteCount::from(bytes);
        self.failed(&format!("read {bytes} at byte {offset} of"), error)
    }

    /// `attempt` ends in the words that come before the path.
    fn failed(&self, attempt: &str, error: &io::Error) -> SheafError {
        let message = format!(
            "{} cannot {attempt} {}: {}",
            self.operator,
            self.path.display(),
            describe(error)
        );
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                SheafError::resource(message)
                    .with_state(SqlState::DISK_FULL)
                    .with_hint(
                        "make space there, SET temp_directory to a larger disk, or SET \
                         memory_limit to more so that less is spilled",
                    )
            }
            io::ErrorKind::NotFound => SheafError::resource(message)
                .with_state(SqlState::IO_ERROR)
                .with_hint(
                    "something else has removed it; SET temp_directory to a directory that \
                     nothing cleans up",
                ),
            _ => SheafError::resource(message)
                .with_state(SqlState::IO_ERROR)
                .with_hint(ELSEWHERE),
        }
    }

    pub(super) fn over_budget(&self, bytes: u64, max: u64, left: u64) -> SheafError {
        let (bytes, max, left) = (ByteCount(bytes), ByteCount(max), ByteCount(left));
        SheafError::resource(format!(
            "{} cannot spill {bytes} more: spilled data may take \
             max_temp_directory_size = {max}, of which {left} are left",
            self.operator
        ))
        .with_state(SqlState::DISK_FULL)
        .with_hint(
            "SET max_temp_directory_size to more, or SET memory_limit to more so that less is \
             spilled",
        )
    }

    /// A block did not come back as it was written.
    pub(super) fn damaged(&self, bytes: u32, offset: u64) -> SheafError {
        self.not_as_written(bytes, offset, "it has changed on disk")
    }

    /// The file ends before the block does.
    pub(super) fn cut_short(&self, bytes: u32, offset: u64) -> SheafError {
        self.not_as_written(bytes, offset, "the file has been cut short")
    }

    fn not_as_written(&self, bytes: u32, offset: u64, what: &str) -> SheafError {
        SheafError::data(format!(
            "{} cannot use the block of {} at byte {offset} of {}: {what} since it was written",
            self.operator,
            ByteCount(u64::from(bytes)),
            self.path.display(),
        ))
        .with_state(SqlState::IO_ERROR)
        .with_hint(
            "run the query again; if that fails too, check the disk, and SET temp_directory to \
             a directory on another one",
        )
    }

    /// The threads that write and read have ended.
    pub(super) fn shut_down(&self) -> SheafError {
        SheafError::cancelled(format!(
            "{} cannot go on: the engine is shutting down",
            self.operator
        ))
    }

    /// Nobody sees this: the file's users are gone.
    pub(super) fn removed(&self) -> SheafError {
        SheafError::internal(format!("a spill file of {} is gone", self.operator))
    }
}

/// What the operating system says, without Rust's `(os error 28)`.
pub(super) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

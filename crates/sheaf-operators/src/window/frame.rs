//! Where the frame of a row begins and ends.
//!
//! Both ends only ever go forward as rows do, so each is found by a reader that goes along the
//! partition once, or by counting. What EXCLUDE leaves out lies between two ends of the same kind:
//! it cuts the frame into pieces, each of which goes forward like a frame of its own.

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use datafusion::common::utils::{compare_rows, get_row_at_idx};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::window::WindowExpr;

use super::exclude::Exclusion;
use super::function::Sorting;
use super::reader::Reader;
use super::spool::Spool;

/// The row whose value is being found.
pub(super) struct CurrentRow<'a> {
    /// Its number in the partition.
    pub(super) row: u64,
    /// How many runs of peers are before its own.
    pub(super) group: u64,
    /// The ORDER BY columns of its batch, and where it is in them.
    pub(super) order: &'a [ArrayRef],
    pub(super) index: usize,
}

/// Rows that are one after another: the first, and the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// The pieces of a frame: the rows before what is left out of it, the current one if that stays
/// alone, and those after. Without EXCLUDE all are in the first.
pub(super) type Pieces = [Span; 3];

/// The frames of the rows of one partition.
pub(super) struct Frame {
    start: Bound,
    end: Bound,
    exclusion: Exclusion,
    /// The peers of the current row, if some are left out.
    peers: Peers,
}

struct Peers {
    group: u64,
    begin: u64,
    end: Bound,
}

/// One end of the frame: the number of the row it is before.
pub(super) enum Bound {
    First,
    Last,
    /// So many rows after the current one, or before it.
    Rows(i64),
    Scan(Box<Scan>),
}

/// An end that is found by looking at rows.
pub(super) struct Scan {
    reader: Reader,
    /// How far it has come.
    row: u64,
    rule: Rule,
    is_end: bool,
}

/// Which rows are before the end sought.
enum Rule {
    /// By their run of peers, so many after the current one.
    Peers(i64),
    /// By their ORDER BY value, so much away from the current one.
    Distance {
        delta: ScalarValue,
        is_preceding: bool,
        options: Vec<SortOptions>,
    },
}

impl Span {
    pub(super) fn len(self) -> u64 {
        self.end - self.start
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl Frame {
    /// The frame of `expr`, over a partition sorted by `sorting`; `None` if a bound is none that
    /// is known here.
    pub(super) fn of(
        expr: &dyn WindowExpr,
        exclusion: Exclusion,
        sorting: &Sorting,
    ) -> Option<Self> {
        let frame = expr.get_window_frame();
        let options: Vec<SortOptions> = expr.order_by().iter().map(|key| key.options).collect();
        let bound = |bound, is_end| Bound::of(frame, bound, is_end, sorting, &options);
        Some(Self {
            start: bound(&frame.start_bound, false)?,
            end: bound(&frame.end_bound, true)?,
            exclusion,
            peers: Peers {
                group: 0,
                begin: 0,
                end: match exclusion {
                    Exclusion::Group | Exclusion::Ties => Bound::peers_end(sorting),
                    Exclusion::NoOthers | Exclusion::CurrentRow => Bound::First,
                },
            },
        })
    }

    /// Whether every frame begins with the partition.
    pub(super) fn begins_with_partition(&self) -> bool {
        matches!(self.start, Bound::First)
    }

    /// How many pieces there are at most.
    pub(super) fn piece_count(&self) -> usize {
        match self.exclusion {
            Exclusion::NoOthers => 1,
            _ => Pieces::default().len(),
        }
    }

    /// The frame of `current`, each piece of which never goes back. `None` if it cannot be told
    /// before more rows have come.
    pub(super) async fn of_row(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<Pieces>> {
        let Some(end) = self.end.position(current, spool, true).await? else {
            return Ok(None);
        };
        let Some(start) = self.start.position(current, spool, false).await? else {
            return Ok(None);
        };
        let end = end.max(start);
        let left_out = self.left_out(current, end, spool).await?;
        Ok(left_out.map(|left_out| self.pieces(current.row, Span { start, end }, left_out)))
    }

    /// The rows around `current` that are left out, as far as they reach into a frame up to `end`.
    async fn left_out(
        &mut self,
        current: &CurrentRow<'_>,
        end: u64,
        spool: &Spool,
    ) -> Result<Option<Span>> {
        let row = Span {
            start: current.row,
            end: current.row + 1,
        };
        if matches!(self.exclusion, Exclusion::NoOthers | Exclusion::CurrentRow) {
            return Ok(Some(row));
        }
        if self.peers.group != current.group {
            self.peers.group = current.group;
            self.peers.begin = current.row;
        }
        let peers_end = match end <= row.end {
            true => Some(row.end),
            false => self.peers.end.position(current, spool, true).await?,
        };
        Ok(peers_end.map(|end| Span {
            start: self.peers.begin,
            end,
        }))
    }

    fn pieces(&self, row: u64, frame: Span, left_out: Span) -> Pieces {
        let Span { start, end } = frame;
        if self.exclusion == Exclusion::NoOthers {
            return [frame, Span::default(), Span::default()];
        }
        let (alone, is_kept) = match self.exclusion {
            Exclusion::Ties => (row, (start..end).contains(&row)),
            _ => (left_out.start, false),
        };
        let after = left_out.end.max(start);
        [
            Span {
                start,
                end: left_out.start.min(end).max(start),
            },
            Span {
                start: alone,
                end: alone + u64::from(is_kept),
            },
            Span {
                start: after,
                end: end.max(after),
            },
        ]
    }

    /// Rows before this one are not needed any more.
    pub(super) fn needed_from(&self) -> u64 {
        let ends = self.start.needed_from().min(self.end.needed_from());
        ends.min(self.peers.end.needed_from())
    }
}

impl Bound {
    fn of(
        frame: &WindowFrame,
        bound: &WindowFrameBound,
        is_end: bool,
        sorting: &Sorting,
        options: &[SortOptions],
    ) -> Option<Self> {
        let (distance, is_preceding) = match bound {
            WindowFrameBound::CurrentRow => (None, false),
            WindowFrameBound::Preceding(distance) if distance.is_null() => {
                return Some(Self::First);
            }
            WindowFrameBound::Following(distance) if distance.is_null() => return Some(Self::Last),
            WindowFrameBound::Preceding(distance) => (Some(distance), true),
            WindowFrameBound::Following(distance) => (Some(distance), false),
        };
        let count = || {
            let count = match distance {
                None => 0,
                Some(ScalarValue::UInt64(Some(count))) => i64::try_from(*count).unwrap_or(i64::MAX),
                Some(_) => return None,
            };
            Some(if is_preceding { -count } else { count })
        };
        let rule = match (frame.units, distance) {
            (WindowFrameUnits::Rows, _) => return count().map(Self::Rows),
            (WindowFrameUnits::Groups, _) | (WindowFrameUnits::Range, None) => {
                Rule::Peers(count()?)
            }
            (WindowFrameUnits::Range, Some(delta)) => Rule::Distance {
                delta: delta.clone(),
                is_preceding,
                options: options.to_vec(),
            },
        };
        Some(Self::scan(rule, is_end, sorting))
    }

    /// Where the peers of the current row end.
    pub(super) fn peers_end(sorting: &Sorting) -> Self {
        Self::scan(Rule::Peers(0), true, sorting)
    }

    fn scan(rule: Rule, is_end: bool, sorting: &Sorting) -> Self {
        let reader = match &rule {
            Rule::Peers(_) => Reader::new(Vec::new(), Some(sorting)),
            Rule::Distance { .. } => Reader::new(sorting.order_by.clone(), None),
        };
        Self::Scan(Box::new(Scan {
            reader,
            row: 0,
            rule,
            is_end,
        }))
    }

    pub(super) fn needed_from(&self) -> u64 {
        match self {
            Self::Scan(scan) => scan.reader.needed_from(),
            _ => u64::MAX,
        }
    }

    /// The number of the row that this end is before.
    pub(super) async fn position(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
        is_end: bool,
    ) -> Result<Option<u64>> {
        match self {
            Self::First => Ok(Some(0)),
            Self::Last => Ok(spool.is_complete().then(|| spool.row_count())),
            Self::Rows(offset) => {
                let row = current.row.saturating_add(u64::from(is_end));
                let row = row.saturating_add_signed(*offset);
                let is_known = row <= spool.row_count() || spool.is_complete();
                Ok(is_known.then(|| row.min(spool.row_count())))
            }
            Self::Scan(scan) => scan.position(current, spool).await,
        }
    }
}

impl Scan {
    async fn position(&mut self, current: &CurrentRow<'_>, spool: &Spool) -> Result<Option<u64>> {
        let target = match &self.rule {
            Rule::Peers(_) => Vec::new(),
            Rule::Distance {
                delta,
                is_preceding,
                options,
            } => {
                let descending = options.first().is_some_and(|options| options.descending);
                let values = get_row_at_idx(current.order, current.index)?;
                match shifted(&values, delta, *is_preceding == descending)? {
                    Some(target) => target,
                    // Beyond what the type can hold lies no row.
                    None if *is_preceding => return Ok(Some(self.row)),
                    None => return Ok(spool.is_complete().then(|| spool.row_count())),
                }
            }
        };
        loop {
            let Some(loaded) = self.reader.at(spool, self.row).await? else {
                return Ok(spool.is_complete().then_some(self.row));
            };
            while self.row < loaded.end() {
                let is_before = match &self.rule {
                    Rule::Peers(offset) => {
                        let group = i128::from(loaded.group(self.row));
                        let sought = i128::from(current.group) + i128::from(*offset);
                        if self.is_end {
                            group <= sought
                        } else {
                            group < sought
                        }
                    }
                    Rule::Distance { options, .. } => {
                        let values = get_row_at_idx(&loaded.values, loaded.index(self.row))?;
                        let order = compare_rows(&values, &target, options)?;
                        if self.is_end {
                            order.is_le()
                        } else {
                            order.is_lt()
                        }
                    }
                };
                if !is_before {
                    return Ok(Some(self.row));
                }
                self.row += 1;
            }
        }
    }
}

/// The values `delta` further on, or back; NULLs stay. `None` if the type ends before that.
fn shifted(
    values: &[ScalarValue],
    delta: &ScalarValue,
    adds: bool,
) -> Result<Option<Vec<ScalarValue>>> {
    let mut shifted = Vec::with_capacity(values.len());
    for value in values {
        let target = if value.is_null() {
            value.clone()
        } else if !adds && value.is_unsigned() && value < delta {
            value.sub(value)?
        } else {
            let target = match adds {
                true => value.add_checked(delta),
                false => value.sub_checked(delta),
            };
            match target {
                Ok(target) => target,
                Err(_) => return Ok(None),
            }
        };
        shifted.push(target);
    }
    Ok(Some(shifted))
}

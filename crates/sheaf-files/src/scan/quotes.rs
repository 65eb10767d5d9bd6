//! Where CSV records end: a tracker of quoted values over chunks of bytes.
//!
//! A line break inside a quoted value does not end a record. The tracker jumps from quote to quote
//! with `memchr`, so data without quotes costs next to nothing. It follows the reader below
//! (`csv_core`): a quote opens a value only at its start, elsewhere it is text.
//!
//! When a scan starts in the middle of a file, the state there is unknown. [`guess`] tries each
//! possible state on the bytes that follow and takes the one under which quotes stand where quotes
//! may stand. (The idea is from Ge et al., "Speculative Distributed CSV Data Parsing for Big Data
//! Analytics", SIGMOD 2019; ours is checked afterwards, see `records`.)

use memchr::{memchr, memchr2};

/// The characters that matter to where records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoting {
    pub(crate) quote: u8,
    pub(crate) escape: Option<u8>,
    pub(crate) delimiter: u8,
    /// Lines may be comments, whose quotes mean nothing: then no quote is called wrong.
    pub(crate) has_comments: bool,
}

/// A quote that no reader could make sense of, at an offset in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuoteFault {
    /// The value that opens here never ends.
    Unclosed(u64),
    /// Text follows the quote that closes a value.
    Stray(u64),
}

/// The state between two bytes.
#[derive(Debug, Clone)]
pub(crate) struct QuoteTracker {
    quoting: Quoting,
    in_quotes: bool,
    /// A quote was seen inside quotes: the next byte says whether it closes or is doubled.
    pending_quote: bool,
    escaped: bool,
    previous: u8,
    /// Offset of the next byte.
    position: u64,
    /// Where the last quoted value opened.
    opened_at: Option<u64>,
    /// Where text first followed a closing quote.
    stray_at: Option<u64>,
    /// Quotes where none may stand.
    anomalies: usize,
}

impl QuoteTracker {
    /// At the start of a record.
    pub(crate) fn new(quoting: Quoting) -> Self {
        Self {
            quoting,
            in_quotes: false,
            pending_quote: false,
            escaped: false,
            previous: b'\n',
            position: 0,
            opened_at: None,
            stray_at: None,
            anomalies: 0,
        }
    }

    /// Says that the next byte is at `position`; it counts from 0 otherwise.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// The first text behind a closing quote, if there was any.
    pub(crate) fn stray(&self) -> Option<QuoteFault> {
        let at = self.stray_at.filter(|_| !self.quoting.has_comments)?;
        Some(QuoteFault::Stray(at))
    }

    /// What is wrong if the input ends here.
    pub(crate) fn fault_at_end(&self) -> Option<QuoteFault> {
        let is_open = self.in_quotes && !self.pending_quote && !self.quoting.has_comments;
        let unclosed = self.opened_at.filter(|_| is_open);
        self.stray().or(unclosed.map(QuoteFault::Unclosed))
    }

    /// Whether a quoted value was seen.
    pub(crate) fn has_opened(&self) -> bool {
        self.opened_at.is_some()
    }

    /// The characters it goes by.
    pub(crate) fn quoting(&self) -> Quoting {
        self.quoting
    }

    /// Moves over `bytes`.
    pub(crate) fn advance(&mut self, bytes: &[u8]) {
        self.step(bytes, false);
    }

    /// Moves to behind the first record end in `bytes` and gives its place; over all of them if
    /// there is none.
    pub(crate) fn find_record_end(&mut self, bytes: &[u8]) -> Option<usize> {
        self.step(bytes, true)
    }

    fn step(&mut self, bytes: &[u8], stops_at_record_end: bool) -> Option<usize> {
        let Quoting {
            quote,
            escape,
            delimiter,
            has_comments: _,
        } = self.quoting;
        let start = self.position;
        let ends_value = |byte: u8| byte == delimiter || byte == b'\n' || byte == b'\r';
        let mut at = 0;
        while at < bytes.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            if self.pending_quote {
                self.pending_quote = false;
                if bytes[at] == quote {
                    at += 1;
                    continue;
                }
                self.in_quotes = false;
                self.previous = quote;
                if !ends_value(bytes[at]) {
                    self.anomalies += 1;
                    self.stray_at.get_or_insert(start + at as u64);
                }
            }
            if self.in_quotes {
                let Some(found) = memchr2(quote, escape.unwrap_or(quote), &bytes[at..]) else {
                    break;
                };
                at += found + 1;
                if bytes[at - 1] == quote {
                    self.pending_quote = true;
                } else {
                    self.escaped = true;
                }
                continue;
            }
            let found = if stops_at_record_end {
                memchr2(quote, b'\n', &bytes[at..])
            } else {
                memchr(quote, &bytes[at..])
            };
            let Some(found) = found else { break };
            let place = at + found;
            if bytes[place] == b'\n' {
                self.previous = b'\n';
                self.position = start + place as u64 + 1;
                return Some(place);
            }
            let before = if place == 0 {
                self.previous
            } else {
                bytes[place - 1]
            };
            if ends_value(before) {
                self.in_quotes = true;
                self.opened_at = Some(start + place as u64);
            } else {
                self.anomalies += 1;
            }
            at = place + 1;
        }
        if let Some(last) = bytes.last() {
            self.previous = *last;
        }
        self.position = start + bytes.len() as u64;
        None
    }
}

/// The likeliest state before `window`, a stretch of bytes from somewhere within a file.
pub(crate) fn guess(window: &[u8], quoting: Quoting) -> QuoteTracker {
    let outside = QuoteTracker {
        previous: 0,
        ..QuoteTracker::new(quoting)
    };
    if memchr(quoting.quote, window).is_none() {
        return outside;
    }
    let inside = QuoteTracker {
        in_quotes: true,
        ..outside.clone()
    };
    let mut states = vec![outside.clone(), inside.clone()];
    if window.first() == Some(&quoting.quote) {
        states.push(QuoteTracker {
            previous: b'\n',
            ..outside.clone()
        });
        states.push(QuoteTracker {
            pending_quote: true,
            ..inside
        });
    }
    let anomalies = |state: &QuoteTracker| {
        let mut trial = state.clone();
        trial.advance(window);
        trial.anomalies
    };
    // The first of the best: outside quotes, if nothing speaks against it.
    states.into_iter().min_by_key(anomalies).unwrap_or(outside)
}

//! Glob patterns: `*`, `?`, `[a-z]`, `[!a]`, `{a,b}` within a path segment, `**` across segments.
//!
//! Pure text: knows nothing of stores.

use sheaf_base::{Result, SheafError};

/// Alternatives that the braces of one pattern may expand to.
const BRACE_ALTERNATIVES_MAX: usize = 4_096;

/// A path pattern, segment by segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    pub(crate) segments: Vec<Segment>,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This name.
    Literal(String),
    /// Names that the tokens match.
    Pattern(Vec<Token>),
    /// `**`: any number of directories.
    AnyDepth,
}

/// A piece of a segment's pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// This character.
    Char(char),
    /// `?`.
    AnyChar,
    /// `*`.
    AnyText,
    /// `[a-z]`; inclusive ranges, and whether the class is negated.
    Class(Vec<(char, char)>, bool),
}

impl Glob {
    /// Reads a pattern without braces.
    pub(crate) fn parse(pattern: &str) -> Self {
        let segments = pattern
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| match segment {
                "**" => Segment::AnyDepth,
                text if text.contains(['*', '?', '[']) => Segment::Pattern(parse_tokens(text)),
                text => Segment::Literal(text.to_owned()),
            })
            .collect();
        Self { segments }
    }

    /// Whether the names `path` (outermost first) match `segments`.
    pub(crate) fn matches(segments: &[Segment], path: &[&str]) -> bool {
        match (segments.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((Segment::AnyDepth, rest)), None) => Self::matches(rest, path),
            (Some((Segment::AnyDepth, rest)), Some((name, deeper))) => {
                Self::matches(rest, path) || (!is_hidden(name) && Self::matches(segments, deeper))
            }
            (Some((segment, rest)), Some((name, deeper))) => {
                segment.matches(name) && Self::matches(rest, deeper)
            }
            _ => false,
        }
    }
}

impl Segment {
    /// Whether the segment matches one name. As in shells, a leading dot must be written.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(text) => text == name,
            Self::AnyDepth => false,
            Self::Pattern(tokens) => {
                let writes_dot = tokens.first() == Some(&Token::Char('.'));
                (writes_dot || !name.starts_with('.')) && match_tokens(tokens, name)
            }
        }
    }
}

/// Whether a directory walk leaves out `name`: hidden files, and the `_SUCCESS` and `_delta_log`
/// that writers leave beside their data. Hive directories (`_k=v`) are none of those.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// The patterns that the braces of `pattern` stand for: `a{b,c}d` is `abd` and `acd`. Braces nest;
/// an unmatched brace stands for itself.
///
/// # Errors
/// `UserInput` if there are more than [`BRACE_ALTERNATIVES_MAX`].
pub(crate) fn expand_braces(pattern: &str) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(text) = todo.pop() {
        match split_brace(&text) {
            None => done.push(text),
            Some((before, alternatives, after)) => {
                for alternative in alternatives.into_iter().rev() {
                    todo.push(format!("{before}{alternative}{after}"));
                }
            }
        }
        if done.len() + todo.len() > BRACE_ALTERNATIVES_MAX {
            return Err(SheafError::user(format!(
                "the braces of \"{pattern}\" stand for more than {BRACE_ALTERNATIVES_MAX} patterns"
            )));
        }
    }
    Ok(done)
}

/// Splits at the first balanced `{…}` that holds a comma.
fn split_brace(text: &str) -> Option<(&str, Vec<&str>, &str)> {
    for (open, _) in text.match_indices('{') {
        let mut depth = 0_usize;
        let mut starts = vec![open + 1];
        for (at, c) in text[open..].char_indices().map(|(at, c)| (at + open, c)) {
            match c {
                '{' => depth += 1,
                ',' if depth == 1 => starts.push(at + 1),
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                if starts.len() == 1 {
                    break;
                }
                let ends = starts[1..].iter().map(|start| start - 1).chain([at]);
                let parts = starts
                    .iter()
                    .zip(ends)
                    .map(|(start, end)| &text[*start..end]);
                return Some((&text[..open], parts.collect(), &text[at + 1..]));
            }
        }
    }
    None
}

fn parse_tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::with_capacity(chars.len());
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '*' => {
                if tokens.last() != Some(&Token::AnyText) {
                    tokens.push(Token::AnyText);
                }
            }
            '?' => tokens.push(Token::AnyChar),
            '[' => {
                if let Some((class, end)) = parse_class(&chars, at) {
                    tokens.push(class);
                    at = end;
                } else {
                    tokens.push(Token::Char('['));
                }
            }
            c => tokens.push(Token::Char(c)),
        }
        at += 1;
    }
    tokens
}

/// Reads the class that opens at `open`; gives the place of its `]`.
fn parse_class(chars: &[char], open: usize) -> Option<(Token, usize)> {
    let negated = matches!(chars.get(open + 1), Some('!' | '^'));
    let first = open + 1 + usize::from(negated);
    // A `]` right at the start stands for itself.
    let close = (first + 1..chars.len()).find(|at| chars[*at] == ']')?;
    let mut ranges = Vec::new();
    let mut at = first;
    while at < close {
        if at + 2 < close && chars[at + 1] == '-' {
            ranges.push((chars[at], chars[at + 2]));
            at += 3;
        } else {
            ranges.push((chars[at], chars[at]));
            at += 1;
        }
    }
    Some((Token::Class(ranges, negated), close))
}

/// Matches with one point of return (the last `*`), so in time of pattern × text at worst.
fn match_tokens(tokens: &[Token], text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < chars.len() {
        let fits = match tokens.get(token) {
            Some(Token::AnyText) => {
                retry = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(Token::AnyChar) => true,
            Some(Token::Char(c)) => *c == chars[at],
            Some(Token::Class(ranges, negated)) => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&chars[at]))
                    != *negated
            }
            None => false,
        };
        if fits {
            token += 1;
            at += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            token = after_star;
            at = from + 1;
        } else {
            return false;
        }
    }
    tokens[token..].iter().all(|rest| *rest == Token::AnyText)
}

//! Texts of lists, as people and clients write them; what an element is, is left to who reads it.
//!
//! PostgreSQL's form ([`read_array`]; its documentation, 8.15.2 and 8.15.6), of parameters and casts:
//!
//! ```text
//! array    = [ bounds "=" ] braces
//! bounds   = { "[" [ lower ":" ] upper "]" }       whole numbers, one pair for each dimension
//! braces   = "{" [ element { "," element } ] "}"   all elements are braces of one shape, or none is
//! element  = braces | '"' { character } '"' | word
//! ```
//!
//! Within quotes and words `\` takes the next character as it is. A word has no `{`, `}`, `,` or `"`, ends
//! before the spaces behind it, and is NULL if it says so without a backslash, in whatever case. Lists
//! here begin at 1: bounds have to agree with the elements, and what they count from is forgotten.
//!
//! DuckDB's form, of casts alone: `[` and `]` in the place of braces, `'` quotes as `"` does, words have no
//! bracket, brace or quote, and lists may be of any lengths, or NULL: `[[1, 2], NULL, ['3']]`. [`read_list`]
//! reads both. A text that starts with `[` and ends with `}` has bounds, and is PostgreSQL's.
//!
//! Nothing is kept but the element that is being read; a text of n bytes has fewer than n elements.

use crate::error::{SheafError, SqlState};

/// Lists within one another, as many as PostgreSQL has; each is a call deeper.
pub const DEPTH_MAX: usize = 6;

/// Characters of a text that an error shows.
const SHOWN_CHARACTERS_MAX: usize = 200;

const TOO_DEEP: &str = "number of array dimensions exceeds the maximum allowed (6)";
const RAGGED: &str = "multidimensional arrays must have sub-arrays with matching dimensions";
const ENDS_EARLY: &str = "unexpected end of input";

/// What is wrong with a text, for the detail of an error ([`malformed`]).
pub type Detail = &'static str;

/// What a text of a list says, part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'t> {
    /// A list begins.
    Open,
    /// An element, without quotes and backslashes; `None` is NULL.
    Item(Option<&'t str>),
    /// The list that began last ends.
    Close,
}

/// Reads a list in PostgreSQL's form, of any depth, and tells its parts in their order. Its lengths are
/// returned, that of the outermost list first.
///
/// # Errors
/// What is wrong, if it is none; parts before that have been told.
pub fn read_array(text: &str, told: &mut dyn FnMut(Part<'_>)) -> Result<Vec<usize>, Detail> {
    read_braces(text, None, told)
}

/// Reads a list in either form, whose elements lie within `depth` lists, and tells its parts in their order.
///
/// # Errors
/// What is wrong, if it is none; parts before that have been told.
pub fn read_list(text: &str, depth: usize, told: &mut dyn FnMut(Part<'_>)) -> Result<(), Detail> {
    let trimmed = text.trim_matches(is_space);
    if !trimmed.starts_with('[') || trimmed.ends_with('}') {
        return read_braces(text, Some(depth), told).map(drop);
    }
    let mut reader = Reader::new(trimmed, Form::Brackets, Some(depth), told);
    reader.list(0)?;
    reader.end_of_text()
}

/// The error of a text that is no list.
#[must_use]
pub fn malformed(text: &str, detail: Detail) -> SheafError {
    let shown = match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    };
    SheafError::user(format!("malformed array literal: \"{shown}\""))
        .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
        .with_detail(detail)
}

fn read_braces(
    text: &str,
    depth: Option<usize>,
    told: &mut dyn FnMut(Part<'_>),
) -> Result<Vec<usize>, Detail> {
    let (bounds, braces) = bounds(text)?;
    let mut reader = Reader::new(braces, Form::Braces, depth, told);
    reader.list(0)?;
    reader.end_of_text()?;
    let lengths: Vec<usize> = reader.lengths.into_iter().flatten().collect();
    match bounds.is_empty() || bounds == lengths {
        true => Ok(lengths),
        false => Err("specified array dimensions do not match array contents"),
    }
}

/// The lengths that stand before a list in braces, if any do, and that list.
fn bounds(text: &str) -> Result<(Vec<usize>, &str), Detail> {
    let (mut lengths, mut rest) = (vec![], text.trim_start_matches(is_space));
    while let Some(inner) = rest.strip_prefix('[') {
        let (pair, behind) = inner
            .split_once(']')
            .ok_or("missing \"]\" after array dimensions")?;
        if lengths.len() == DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        lengths.push(length(pair)?);
        rest = behind.trim_start_matches(is_space);
    }
    match (lengths.is_empty(), rest.strip_prefix('=')) {
        (true, _) => Ok((lengths, rest)),
        (false, Some(braces)) => Ok((lengths, braces)),
        (false, None) => Err("missing \"=\" after array dimensions"),
    }
}

/// The length from `lower:upper`, or from 1 to `upper`.
fn length(pair: &str) -> Result<usize, Detail> {
    let number = |text: &str| -> Result<i64, Detail> {
        let number = text.parse::<i32>().map(i64::from);
        number.map_err(|_| "array dimensions are whole numbers")
    };
    let (lower, upper) = match pair.split_once(':') {
        Some((lower, upper)) => (number(lower)?, number(upper)?),
        None => (1, number(pair)?),
    };
    usize::try_from(upper - lower + 1)
        .ok()
        .filter(|length| *length > 0)
        .ok_or("upper bound cannot be less than lower bound")
}

/// The spaces of PostgreSQL's arrays.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// How lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// PostgreSQL's.
    Braces,
    /// DuckDB's.
    Brackets,
}

impl Form {
    fn marks(self) -> (char, char) {
        match self {
            Self::Braces => ('{', '}'),
            Self::Brackets => ('[', ']'),
        }
    }

    fn is_quote(self, c: char) -> bool {
        c == '"' || c == '\'' && self == Self::Brackets
    }

    /// Whether a word cannot have it, though it does not end there.
    fn is_refused(self, c: char) -> bool {
        self.is_quote(c) || c == '{' || matches!(c, '[' | '}') && self == Self::Brackets
    }
}

struct Reader<'t, 'a> {
    rest: &'t str,
    form: Form,
    /// Lists that elements are to lie within, if that is known.
    depth: Option<usize>,
    told: &'a mut dyn FnMut(Part<'_>),
    /// The element that is being read.
    item: String,
    has_items: bool,
    /// Of lists in braces, by dimension, outermost first; as soon as one list of it has ended.
    lengths: Vec<Option<usize>>,
}

impl<'t, 'a> Reader<'t, 'a> {
    fn new(
        rest: &'t str,
        form: Form,
        depth: Option<usize>,
        told: &'a mut dyn FnMut(Part<'_>),
    ) -> Self {
        Self {
            rest,
            form,
            depth,
            told,
            item: String::new(),
            has_items: false,
            lengths: vec![],
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn end_of_text(&mut self) -> Result<(), Detail> {
        self.skip_space();
        match (self.rest.is_empty(), self.form) {
            (true, _) => Ok(()),
            (false, Form::Braces) => Err("junk after closing right brace"),
            (false, Form::Brackets) => Err("junk after closing bracket"),
        }
    }

    /// A list within `depth` others, with its marks.
    fn list(&mut self, depth: usize) -> Result<(), Detail> {
        let (open, close) = self.form.marks();
        if !self.take(open) {
            return Err("array value must start with \"{\" or dimension information");
        }
        self.begin(depth)?;
        (self.told)(Part::Open);
        let mut length = 0;
        let mut is_open = !self.take(close);
        while is_open {
            self.skip_space();
            match self.rest.starts_with(open) {
                true => self.list(depth + 1)?,
                false => self.element(depth)?,
            }
            length += 1;
            is_open = !self.take(close);
            if is_open && !self.take(',') {
                return Err("unexpected end of input, or something behind an element");
            }
        }
        self.end(depth, length)?;
        (self.told)(Part::Close);
        Ok(())
    }

    fn begin(&mut self, depth: usize) -> Result<(), Detail> {
        if depth == DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        if self.depth == Some(depth) {
            return Err("it has more dimensions than the type, which has one for each []");
        }
        if self.form == Form::Braces && self.lengths.len() == depth {
            // A deeper list than those before it.
            if self.lengths.last().is_some_and(Option::is_some) || self.has_items {
                return Err(RAGGED);
            }
            self.lengths.push(None);
        }
        Ok(())
    }

    fn end(&mut self, depth: usize, length: usize) -> Result<(), Detail> {
        match (self.form, self.lengths.get_mut(depth)) {
            (Form::Brackets, _) => Ok(()),
            (Form::Braces, Some(known @ None)) => {
                *known = Some(length);
                Ok(())
            }
            (Form::Braces, Some(Some(known))) if *known == length => Ok(()),
            (Form::Braces, _) => Err(RAGGED),
        }
    }

    /// One that is no list, in a list within `depth` others.
    fn element(&mut self, depth: usize) -> Result<(), Detail> {
        if self.lengths.len() > depth + 1 {
            return Err(RAGGED);
        }
        self.item.clear();
        let is_null = match self.rest.chars().next() {
            Some(quote) if self.form.is_quote(quote) => {
                self.quoted(quote)?;
                false
            }
            _ => self.word()?,
        };
        // A list may be NULL beside others, but has none beside it in PostgreSQL.
        let may_be_list = is_null && self.form == Form::Brackets;
        if self.depth.is_some_and(|wanted| depth + 1 < wanted) && !may_be_list {
            return Err("it has fewer dimensions than the type, which has one for each []");
        }
        self.has_items = true;
        let item = (!is_null).then_some(self.item.as_str());
        (self.told)(Part::Item(item));
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<(), Detail> {
        let mut characters = self.rest.chars();
        characters.next();
        loop {
            match characters.next().ok_or(ENDS_EARLY)? {
                '\\' => self.item.push(characters.next().ok_or(ENDS_EARLY)?),
                c if c == quote => break,
                c => self.item.push(c),
            }
        }
        self.rest = characters.as_str();
        Ok(())
    }

    /// An element without quotes; whether it is NULL.
    fn word(&mut self) -> Result<bool, Detail> {
        let (_, close) = self.form.marks();
        let mut is_escaped = false;
        // Bytes of it up to the spaces at its end.
        let mut kept = 0;
        let mut characters = self.rest.chars();
        loop {
            let at = characters.as_str();
            match characters.next().ok_or(ENDS_EARLY)? {
                c if c == ',' || c == close => {
                    self.rest = at;
                    break;
                }
                '\\' => {
                    is_escaped = true;
                    self.item.push(characters.next().ok_or(ENDS_EARLY)?);
                    kept = self.item.len();
                }
                c if self.form.is_refused(c) => {
                    return Err("an element with such a character is written in quotes");
                }
                c => {
                    self.item.push(c);
                    if !is_space(c) {
                        kept = self.item.len();
                    }
                }
            }
        }
        self.item.truncate(kept);
        match self.item.is_empty() {
            true => Err("an element is missing"),
            false => Ok(!is_escaped && self.item.eq_ignore_ascii_case("null")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text says, in a notation that has no other reading: `(` and `)` for lists, `<…>` for elements.
    fn told(text: &str, depth: usize) -> Result<String, Detail> {
        let mut told = String::new();
        read_list(text, depth, &mut |part| match part {
            Part::Open => told.push('('),
            Part::Close => told.push(')'),
            Part::Item(None) => told.push('-'),
            Part::Item(Some(item)) => told.extend(["<", item, ">"]),
        })?;
        Ok(told)
    }

    /// PostgreSQL's documentation, 8.15.2 ("Array Value Input") and 8.15.6 ("Array Input and Output Syntax").
    #[test]
    fn arrays_are_read_as_postgres_reads_them() {
        for (text, depth, parts) in [
            ("{}", 1, "()"),
            (" { } ", 2, "()"),
            ("{10000, 10000}", 1, "(<10000><10000>)"),
            (r#"{"a","b c",NULL}"#, 1, "(<a><b c>-)"),
            (
                r#"{null,nUlL,"null",\null, "NULL" }"#,
                1,
                "(--<null><null><NULL>)",
            ),
            (r#"{a b , c\ ,"\"\\,{}" ,""}"#, 1, "(<a b><c ><\"\\,{}><>)"),
            ("{it's,[1]}", 1, "(<it's><[1]>)"),
            ("{{1,2},{3,NULL}}", 2, "((<1><2>)(<3>-))"),
            ("{{},{}}", 2, "(()())"),
            ("[1:2]={1,2}", 1, "(<1><2>)"),
            (
                "[1:1][-2:-1][3:5]={{{1,2,3},{4,5,6}}}",
                3,
                "(((<1><2><3>)(<4><5><6>)))",
            ),
            (" [2] = {1,2}", 1, "(<1><2>)"),
        ] {
            assert_eq!(told(text, depth).as_deref(), Ok(parts), "{text}");
        }
        let lengths = read_array("[0:0][7:8]={{a,b}}", &mut |_| {});
        assert_eq!(lengths, Ok(vec![1, 2]));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in [
            "",
            " ",
            "1",
            "{",
            "}",
            "{1",
            "{1,",
            "{1,}",
            "{,1}",
            "{1,,2}",
            "{1}x",
            "{1}{2}",
            "{\"a}",
            "{\"a\"b}",
            "{a\"b\"}",
            "{a{b}",
            "{\\",
            "{\"\\",
            "{1,{2}}",
            "[1:2]{1,2}",
            "[1:2={1,2}",
            "[1:3]={1,2}",
            "[2:1]={}",
            "[0]={}",
            "[1:2][1:1]={1,2}",
            "[x:2]={1,2}",
            "[1: 2]={1,2}",
            "[]={1}",
            "[-2147483648:2147483647]={1}",
            "[1:99999999999999999999]={1}",
            "[1:1][1:1][1:1][1:1][1:1][1:1][1:1]={1}",
        ] {
            assert!(told(text, 1).is_err(), "{text}");
        }
        for text in ["{{1},2}", "{{1},{2,3}}", "{{},{1}}", "{1,2}", "{NULL,{1}}"] {
            assert!(told(text, 2).is_err(), "{text}");
        }
        assert!(told("{{1}}", 1).is_err());
        assert!(told("{{{{{{1}}}}}}", 6).is_ok());
        assert!(read_array("{{{{{{{1}}}}}}}", &mut |_| {}).is_err());
        assert!(read_array(&"{".repeat(1 << 20), &mut |_| {}).is_err());
    }

    /// DuckDB's documentation, "Casting": lists of any lengths, NULL among them, either quote.
    #[test]
    fn lists_are_read_as_duckdb_reads_them() {
        for (text, depth, parts) in [
            ("[]", 1, "()"),
            (" [1, 2 ,NULL]", 1, "(<1><2>-)"),
            (r#"['a, b', "it's", \n, b c]"#, 1, "(<a, b><it's><n><b c>)"),
            ("[[1], [], NULL, [2, 3]]", 2, "((<1>)()-(<2><3>))"),
        ] {
            assert_eq!(told(text, depth).as_deref(), Ok(parts), "{text}");
        }
        for text in [
            "[", "[1", "[1,]", "[,1]", "[1]]", "[1][2]", "[a'b']", "['a", "[[1]]", "[{1]", "[1}]",
            "[\\", "[[",
        ] {
            assert!(told(text, 1).is_err(), "{text}");
        }
        assert!(told("[1, [2]]", 2).is_err());
        assert!(told(&"[".repeat(1 << 20), 6).is_err());
    }

    #[test]
    fn errors_show_the_beginning_of_a_long_text() {
        let error = malformed(&"ä".repeat(100_000), ENDS_EARLY);
        assert!(error.to_string().chars().count() < 300);
        assert_eq!(error.state().code(), "22P02");
    }
}

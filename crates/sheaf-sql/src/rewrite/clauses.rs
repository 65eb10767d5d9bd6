//! One walk over a statement's tokens that knows which SELECT it stands in: `FROM` first,
//! `TABLE t` (as a query and as an argument), `USING SAMPLE` and the units of samples.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::edits::{Edits, keyword, word};
use super::sample::{self, Sample};

/// What is known about the SELECT being read at one depth of parentheses.
#[derive(Default)]
struct Level {
    /// The index of the first token in these parentheses.
    start: usize,
    /// The statement's or sub-query's first words were WITH.
    with: bool,
    /// SELECT (or VALUES) has been seen since the last set operator.
    select: bool,
    /// A FROM that no SELECT precedes; one may yet follow.
    from_first: Option<usize>,
    /// Where FROM's list starts and, once known, ends.
    from: Option<usize>,
    from_end: Option<usize>,
    /// The sample to put on FROM.
    sample: Option<Sample>,
}

/// Words that cannot name a table without quotes, since a clause starts with them.
const CLAUSES: &[Keyword] = &[
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::QUALIFY,
    Keyword::ON,
    Keyword::USING,
    Keyword::JOIN,
    Keyword::UNION,
    Keyword::INTERSECT,
    Keyword::EXCEPT,
    Keyword::SELECT,
    Keyword::FROM,
];

/// Words before a parenthesis in which a query may stand, and no arguments.
const NO_FUNCTIONS: &[Keyword] = &[
    Keyword::ALL,
    Keyword::AND,
    Keyword::ANY,
    Keyword::ARRAY,
    Keyword::AS,
    Keyword::BY,
    Keyword::DISTINCT,
    Keyword::ELSE,
    Keyword::EXCEPT,
    Keyword::EXISTS,
    Keyword::EXPLAIN,
    Keyword::FROM,
    Keyword::IN,
    Keyword::INTERSECT,
    Keyword::JOIN,
    Keyword::LATERAL,
    Keyword::MATERIALIZED,
    Keyword::NAME,
    Keyword::NOT,
    Keyword::ON,
    Keyword::OR,
    Keyword::SELECT,
    Keyword::SOME,
    Keyword::THEN,
    Keyword::UNION,
    Keyword::WHEN,
    Keyword::WHERE,
];

pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let mut walk = Walk {
        tokens: &tokens,
        edits: Edits::default(),
        levels: vec![Level::default()],
    };
    for index in 0..tokens.len() {
        walk.step(index)?;
    }
    while !walk.levels.is_empty() {
        walk.close(tokens.len());
    }
    let edits = walk.edits;
    Ok(edits.apply(tokens))
}

struct Walk<'a> {
    tokens: &'a [TokenWithSpan],
    edits: Edits,
    levels: Vec<Level>,
}

impl Walk<'_> {
    fn step(&mut self, index: usize) -> Result<()> {
        if self.bracket(index) {
            return Ok(());
        }
        let keyword = keyword(self.tokens, index);
        self.check_relation(index, keyword)?;
        let is_first_from = keyword == Keyword::FROM && self.is_from_first(index);
        if keyword == Keyword::TABLE && self.is_argument(index) {
            self.relation_argument(index);
            return Ok(());
        }
        let is_table_query = keyword == Keyword::TABLE
            && self.is_query_start(index)
            // `CREATE FUNCTION f() AS TABLE query`
            && !self.is_query_word(index + 1);
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        match keyword {
            Keyword::WITH if index == level.start => level.with = true,
            Keyword::SELECT | Keyword::VALUES => {
                level.select = true;
                level.end_from(index);
                level.from_first = None;
            }
            Keyword::FROM if is_first_from => {
                level.from_first = Some(index);
                level.from = Some(index + 1);
            }
            // Not the one of EXTRACT(… FROM …) nor of IS DISTINCT FROM.
            Keyword::FROM
                if level.select
                    && level.from.is_none()
                    && !is_distinct_from(self.tokens, index) =>
            {
                level.from = Some(index + 1);
            }
            Keyword::TABLE if is_table_query => {
                self.edits.remove(index..index + 1);
                self.edits
                    .insert(index, [word("SELECT"), Token::Mul, word("FROM")]);
                level.select = true;
                level.from = Some(index + 1);
            }
            Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::WINDOW
            | Keyword::QUALIFY
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::FETCH => level.end_from(index),
            Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT
                if level.from.is_some() || level.select && !is_wildcard(self.tokens, index) =>
            {
                self.finish_select(index);
            }
            Keyword::USING if self.is_word(index + 1, Keyword::SAMPLE) => self.sample(index)?,
            Keyword::TABLESAMPLE => sample::complete(self.tokens, index + 1, &mut self.edits),
            _ => {}
        }
        Ok(())
    }

    /// Enters or leaves a level, if the token is a bracket.
    fn bracket(&mut self, index: usize) -> bool {
        match self.tokens[index].token {
            Token::LParen | Token::LBracket | Token::LBrace => self.levels.push(Level {
                start: index + 1,
                ..Level::default()
            }),
            Token::RParen | Token::RBracket | Token::RBrace if self.levels.len() > 1 => {
                self.close(index);
            }
            Token::RParen | Token::RBracket | Token::RBrace => {}
            _ => return false,
        }
        true
    }

    /// Refuses what the engine would take for a relation's name: a clause's word, and `@stage`.
    fn check_relation(&self, index: usize, keyword: Keyword) -> Result<()> {
        let Some(level) = self.levels.last() else {
            return Ok(());
        };
        let is_from = level.from.is_some() && level.from_end.is_none();
        let is_after = is_from
            && index > 0
            && (level.from == Some(index)
                || self.is_word(index - 1, Keyword::JOIN)
                || self.tokens[index - 1].token == Token::Comma);
        let is_name = !CLAUSES.contains(&keyword) && self.tokens[index].token != Token::AtSign;
        if !is_after || is_name {
            return Ok(());
        }
        let found = &self.tokens[index].token;
        Err(
            SheafError::user(format!("syntax error: expected a table, found {found}"))
                .with_state(SqlState::SYNTAX_ERROR)
                .with_position(sample::position(self.tokens, index)),
        )
    }

    /// Takes a `USING SAMPLE …` out, to be put on the FROM clause when the SELECT ends.
    fn sample(&mut self, index: usize) -> Result<()> {
        let (sample, end) = sample::read(self.tokens, index + 2)?;
        self.edits.remove(index..end);
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        level.end_from(index);
        if level.from.is_none() {
            return Err(
                SheafError::user("USING SAMPLE needs a FROM clause before it")
                    .with_position(sample::position(self.tokens, index)),
            );
        }
        level.sample = Some(sample);
        Ok(())
    }

    /// The end of a level: of its last SELECT, and of its parentheses.
    fn close(&mut self, index: usize) {
        self.finish_select(index);
        self.levels.pop();
    }

    /// The end of one SELECT, at a set operator or the end of its level.
    fn finish_select(&mut self, index: usize) {
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        level.end_from(index);
        if let Some(from) = level.from_first.take() {
            self.edits.insert(from, [word("SELECT"), Token::Mul]);
        }
        let range = level.from.take().zip(level.from_end.take());
        if let (Some(sample), Some((from, end))) = (level.sample.take(), range) {
            let is_wrapped = !is_single_table(&self.tokens[from..end]);
            if is_wrapped {
                let opening = [Token::LParen, word("SELECT"), Token::Mul, word("FROM")];
                self.edits.insert(from, opening);
                self.edits.insert(end, [Token::RParen]);
            }
            self.edits.insert(end, sample.tokens());
        }
        level.select = false;
    }

    fn is_word(&self, index: usize, wanted: Keyword) -> bool {
        keyword(self.tokens, index) == wanted
    }

    /// Whether an argument of a call may start at `index`.
    fn is_argument(&self, index: usize) -> bool {
        let is_within_call = self.levels.last().is_some_and(|level| {
            let open = level.start.checked_sub(1);
            let before = open.and_then(|open| open.checked_sub(1));
            before.is_some_and(|before| {
                let is_parenthesis = self.tokens[before + 1].token == Token::LParen;
                let is_name = matches!(self.tokens[before].token, Token::Word(_));
                is_parenthesis && is_name && !NO_FUNCTIONS.contains(&keyword(self.tokens, before))
            })
        });
        is_within_call
            && matches!(
                self.tokens[index - 1].token,
                Token::LParen | Token::Comma | Token::RArrow | Token::Assignment
            )
    }

    /// `f(TABLE t)` → `f((SELECT * FROM t))`, and `f(TABLE (query))` in the same way; what arranges its
    /// rows goes along ([`Walk::arrangement`]).
    fn relation_argument(&mut self, index: usize) {
        let mut end = index + 1;
        if self.tokens.get(end).map(|token| &token.token) == Some(&Token::LParen) {
            end = self.closing(end) + 1;
        }
        while let Some(token) = self.tokens.get(end).map(|token| &token.token)
            && matches!(
                token,
                Token::Word(_) | Token::Period | Token::SingleQuotedString(_)
            )
            && !self.is_arrangement(end)
        {
            end += 1;
        }
        if end == index + 1 {
            return;
        }
        self.edits.remove(index..index + 1);
        let opening = [Token::LParen, word("SELECT"), Token::Mul, word("FROM")];
        self.edits.insert(index, opening);
        let end = self.arrangement(end);
        self.edits.insert(end, [Token::RParen]);
    }

    /// Whether PARTITION BY or ORDER BY stands at `index`.
    fn is_arrangement(&self, index: usize) -> bool {
        matches!(
            keyword(self.tokens, index),
            Keyword::PARTITION | Keyword::ORDER
        ) && self.is_word(index + 1, Keyword::BY)
    }

    /// `PARTITION BY k ORDER BY ts` → `DISTRIBUTE BY k SORT BY ts`, of which the grammar below has
    /// them in a SELECT; several of either stand in parentheses. Gives where it ends.
    fn arrangement(&mut self, index: usize) -> usize {
        let mut at = index;
        for (written, passed_on) in [(Keyword::PARTITION, "DISTRIBUTE"), (Keyword::ORDER, "SORT")] {
            if !self.is_word(at, written) || !self.is_arrangement(at) {
                continue;
            }
            self.edits.remove(at..at + 1);
            self.edits.insert(at, [word(passed_on)]);
            let first = at + 2;
            at = self.argument_end(first);
            let is_list = self.tokens.get(first).map(|token| &token.token) == Some(&Token::LParen)
                && self.closing(first) + 1 == at;
            if is_list {
                self.edits.remove(first..first + 1);
                self.edits.remove(at - 1..at);
            }
        }
        at
    }

    /// The bracket that closes the one at `open`.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match &token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth <= 1 => return at,
                Token::RParen => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// Where what begins at `index` ends: at a comma or bracket that is not its own, or at ORDER BY.
    fn argument_end(&self, index: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(index) {
            match &token.token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace if depth == 0 => return at,
                Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
                Token::Comma if depth == 0 => return at,
                Token::Word(_) if depth == 0 && at > index && self.is_arrangement(at) => return at,
                _ => {}
            }
        }
        self.tokens.len()
    }

    fn is_query_word(&self, index: usize) -> bool {
        matches!(
            keyword(self.tokens, index),
            Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM | Keyword::TABLE
        ) || matches!(
            self.tokens.get(index).map(|token| &token.token),
            Some(Token::LParen)
        )
    }

    /// Whether a query may start at `index`: at the start of a statement or of parentheses, after
    /// a set operator, AS, EXPLAIN and the like.
    fn is_query_start(&self, index: usize) -> bool {
        let Some(level) = self.levels.last() else {
            return false;
        };
        if level.select || level.from.is_some() {
            return false;
        }
        if index == level.start {
            // `trim(FROM x)`
            return self.levels.len() == 1 || !self.is_call(index - 1);
        }
        match keyword(self.tokens, index - 1) {
            Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::AS => true,
            Keyword::TABLE => index > 1 && self.is_word(index - 2, Keyword::AS),
            Keyword::DISTINCT if is_distinct_from(self.tokens, index) => false,
            // Not that of `FETCH ALL FROM cursor`.
            Keyword::ALL | Keyword::DISTINCT => {
                level.start + 1 < index
                    && matches!(
                        keyword(self.tokens, index - 2),
                        Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT
                    )
            }
            Keyword::NAME => level.start + 1 < index,
            Keyword::EXPLAIN | Keyword::ANALYZE | Keyword::VERBOSE => self.levels.len() == 1,
            _ => {
                let is_after_list = self.tokens[index - 1].token == Token::RParen;
                is_after_list && (level.with || self.is_word(0, Keyword::EXPLAIN))
            }
        }
    }

    fn is_from_first(&self, index: usize) -> bool {
        let Some(level) = self.levels.last() else {
            return false;
        };
        if level.select || level.from.is_some() {
            return false;
        }
        if self.is_query_start(index) {
            return true;
        }
        // At the outer level, words of ours and INSERT may precede.
        let is_verb = |word: &str| crate::lexer::is_word_token(&self.tokens[0].token, word);
        self.levels.len() == 1
            && (is_verb("INSERT")
                || index == 1 && (is_verb("DESCRIBE") || is_verb("DESC") || is_verb("SUMMARIZE")))
    }

    /// Whether the parenthesis at `open` is that of a function's arguments.
    fn is_call(&self, open: usize) -> bool {
        let Some(before) = open.checked_sub(1) else {
            return false;
        };
        matches!(
            keyword(self.tokens, before),
            Keyword::TRIM
                | Keyword::EXTRACT
                | Keyword::SUBSTRING
                | Keyword::OVERLAY
                | Keyword::POSITION
        )
    }
}

impl Level {
    fn end_from(&mut self, index: usize) {
        if self.from.is_some() {
            self.from_end.get_or_insert(index);
        }
    }
}

/// Whether the FROM at `index` is that of `IS [NOT] DISTINCT FROM`.
fn is_distinct_from(tokens: &[TokenWithSpan], index: usize) -> bool {
    index >= 2
        && keyword(tokens, index - 1) == Keyword::DISTINCT
        && matches!(keyword(tokens, index - 2), Keyword::IS | Keyword::NOT)
}

/// Whether the EXCEPT at `index` is that of `* EXCEPT (…)`.
fn is_wildcard(tokens: &[TokenWithSpan], index: usize) -> bool {
    index > 0 && tokens[index - 1].token == Token::Mul
}

/// Whether a FROM clause is one name, call or sub-query, on which a sample may stand.
fn is_single_table(from: &[TokenWithSpan]) -> bool {
    let mut depth = 0_usize;
    for (index, token) in from.iter().enumerate() {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => return false,
            _ if depth > 0 => {}
            _ => match keyword(from, index) {
                Keyword::JOIN
                | Keyword::PIVOT
                | Keyword::UNPIVOT
                | Keyword::TABLESAMPLE
                | Keyword::LATERAL
                | Keyword::UNNEST
                | Keyword::VALUES
                | Keyword::TABLE => {
                    return false;
                }
                _ => {}
            },
        }
    }
    // `(a JOIN b …)` is no sub-query.
    match from.first().map(|token| &token.token) {
        Some(Token::LParen) => matches!(
            keyword(from, 1),
            Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM
        ),
        Some(_) => true,
        None => false,
    }
}

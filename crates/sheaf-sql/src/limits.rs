//! What a statement may not exceed, checked on its tokens before a tree is built.
//!
//! A syntax tree is copied, walked, printed and dropped by recursion, here and in the engine, on
//! threads whose stacks have two megabytes. These limits keep every such walk short, in builds
//! without optimisation too; they lie above what people and their tools write. (Long chains of
//! `AND`, `OR` and `UNION`, which tools do write, may be longer, since `rewrite` makes them
//! shallow.)

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use sheaf_base::error::Position;
use sheaf_base::{Result, SheafError};

use crate::rewrite::positional;

/// The longest statement. Its tokens need about a hundred times that in the worst case.
pub const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// The most brackets open at once, of all kinds together.
pub const NESTING_MAX: usize = 128;

/// The most queries within queries.
pub const QUERY_NESTING_MAX: usize = 16;

/// The most operators that may follow each other in one expression, so that each makes the tree
/// one level deeper (`1 + 1 + 1 + …`); what stands in brackets counts with what follows them.
pub const EXPRESSION_DEPTH_MAX: usize = 200;

/// The most AND and OR in one expression.
pub const CONNECTIVES_MAX: usize = 3000;

/// The most UNIONs beside each other.
pub const UNIONS_MAX: usize = 1000;

/// The most INTERSECT, EXCEPT, ASOF joins and changes of a UNION's kind beside each other.
pub const NESTED_RELATIONS_MAX: usize = 32;

/// How deep a plan may get by joins, tables beside each other in FROM and sub-queries, which cost one each,
/// and queries of WITH, which may all stand on one another.
pub const RELATIONS_MAX: usize = 600;

/// What a query of WITH costs of these.
const WITH_QUERY_RELATIONS: usize = 3;

/// The most `[]` behind the name of a type; PostgreSQL has six.
pub const DIMENSIONS_MAX: usize = 16;

/// The most times one token may stand next to itself (`NOT NOT NOT …`, `- - - …`).
pub const REPEATED_TOKENS_MAX: usize = 64;

/// The most arguments, and the most columns of state, of an aggregate of the user's own.
pub const AGGREGATE_COLUMNS_MAX: usize = 100;

/// The most parameters of a function of the user's own.
pub const FUNCTION_PARAMETERS_MAX: usize = 100;

/// The most calls within calls of functions of the user's own, a body counting for one.
pub const FUNCTION_DEPTH_MAX: usize = 32;

/// How deep an expression may get by what stands in the place of calls; a query in it counts for
/// [`QUERY_LEVELS`].
pub const EXPANDED_DEPTH_MAX: usize = 200;

/// The most expressions a statement may have with what stands in the place of calls.
pub const EXPANDED_EXPRESSIONS_MAX: usize = 100_000;

/// The most tables and queries a statement may have with what stands in the place of calls.
pub const EXPANDED_RELATIONS_MAX: usize = RELATIONS_MAX;

/// The depth of calls the engine's parser may reach; a bracket costs it up to three.
pub(crate) const PARSER_DEPTH_MAX: usize = 3 * NESTING_MAX;

/// How many levels of an expression one query's part of the tree is worth on the stack.
pub const QUERY_LEVELS: usize = 8;

/// What has been seen between one bracket and its partner.
#[derive(Default)]
struct Level {
    is_query: bool,
    /// The depth of the expression being read, and of the deepest before it.
    depth: usize,
    depth_max: usize,
    connectives: usize,
    /// BETWEENs whose AND is still to come.
    betweens: usize,
    unions: usize,
    /// The word behind the last UNION, which says its kind.
    union_kind: Option<Keyword>,
    nested_relations: usize,
    /// Whether it is a query of WITH.
    is_with: bool,
    relations: Relations,
}

/// What makes the plan of a query deep.
#[derive(Default)]
struct Relations {
    is_in_from: bool,
    /// Of the SELECT being read: what stands in it, and the most that is within one of its brackets.
    beside: usize,
    within: usize,
    /// The most of the SELECTs before it, which UNION or the like puts beside it.
    before: usize,
    /// Of WITH, upon which all of them stand.
    with: usize,
}

impl Relations {
    fn depth(&self) -> usize {
        self.with + self.before.max(self.beside + self.within)
    }

    /// Behind UNION and the like.
    fn begin_select(&mut self) {
        self.before = self.before.max(self.beside + self.within);
        (self.beside, self.within, self.is_in_from) = (0, 0, false);
    }
}

/// Checks the tokens of one statement (whitespace left out).
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut levels = vec![Level::default()];
    let (mut repeated, mut dimensions) = (0, 0);
    for (index, token) in tokens.iter().enumerate() {
        let is_same = index > 0 && tokens[index - 1].token == token.token;
        let is_bracket = opens(&token.token) || closes(&token.token);
        repeated = if is_same && !is_bracket {
            repeated + 1
        } else {
            0
        };
        if repeated >= REPEATED_TOKENS_MAX {
            return Err(too_deep(
                token,
                format!("{} stands too often in a row", token.token),
            ));
        }
        dimensions = match token.token {
            Token::LBracket => dimensions,
            Token::RBracket if tokens[index.saturating_sub(1)].token == Token::LBracket => {
                dimensions + 1
            }
            _ => 0,
        };
        if dimensions > DIMENSIONS_MAX {
            let message = format!("an array has more than {DIMENSIONS_MAX} dimensions");
            return Err(too_deep(token, message));
        }
        if opens(&token.token) {
            open(&mut levels, tokens, index)?;
        } else if closes(&token.token) {
            close(&mut levels);
        } else if let Some(level) = levels.last_mut() {
            level.take(tokens, index);
        }
        if let Some(level) = levels.last_mut() {
            level.check(token)?;
        }
    }
    Ok(())
}

fn open(levels: &mut Vec<Level>, tokens: &[TokenWithSpan], index: usize) -> Result<()> {
    if levels.len() > NESTING_MAX {
        let message = format!("brackets are nested more than {NESTING_MAX} deep");
        return Err(too_deep(&tokens[index], message));
    }
    let is_query = matches!(
        keyword(tokens, index + 1),
        Keyword::SELECT | Keyword::WITH | Keyword::FROM | Keyword::VALUES | Keyword::TABLE
    );
    let queries = levels.iter().filter(|level| level.is_query).count();
    if is_query && queries >= QUERY_NESTING_MAX {
        let message = format!("queries are nested more than {QUERY_NESTING_MAX} deep");
        let hint = "WITH name AS (…) puts queries beside each other";
        return Err(too_deep(&tokens[index], message).with_hint(hint));
    }
    let before = keyword(tokens, index.wrapping_sub(1));
    levels.push(Level {
        is_query,
        is_with: is_query && matches!(before, Keyword::AS | Keyword::MATERIALIZED),
        ..Level::default()
    });
    Ok(())
}

fn close(levels: &mut Vec<Level>) {
    if levels.len() < 2 {
        return;
    }
    if let (Some(inner), Some(outer)) = (levels.pop(), levels.last_mut()) {
        let own = if inner.is_query { QUERY_LEVELS } else { 1 };
        outer.depth = outer.depth.max(inner.depth_max.max(inner.depth) + own);
        let (depth, relations) = (inner.relations.depth(), &mut outer.relations);
        if inner.is_with {
            relations.with += WITH_QUERY_RELATIONS + depth;
        } else {
            relations.beside += usize::from(inner.is_query);
            relations.within = relations.within.max(depth);
        }
    }
}

impl Level {
    fn take(&mut self, tokens: &[TokenWithSpan], index: usize) {
        match &tokens[index].token {
            Token::Comma => {
                self.relations.beside += usize::from(self.relations.is_in_from);
                self.separate();
            }
            Token::Word(_) => self.take_word(tokens, index),
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
            Token::Placeholder(_) | Token::EOF | Token::SemiColon | Token::Whitespace(_) => {}
            _ => self.depth += 1,
        }
    }

    fn take_word(&mut self, tokens: &[TokenWithSpan], index: usize) {
        match keyword(tokens, index) {
            Keyword::UNION => {
                let kind = Some(keyword(tokens, index + 1));
                self.unions += 1;
                self.nested_relations +=
                    usize::from(self.union_kind.is_some() && self.union_kind != kind);
                self.union_kind = kind;
                self.relations.begin_select();
                self.separate();
            }
            Keyword::INTERSECT | Keyword::EXCEPT => {
                self.nested_relations += 1;
                self.relations.begin_select();
                self.separate();
            }
            // Statements within statements: the bodies of procedures.
            Keyword::CREATE | Keyword::BEGIN => self.nested_relations += 4,
            Keyword::ASOF => self.nested_relations += 1,
            Keyword::FROM => {
                self.relations.is_in_from = true;
                self.separate();
            }
            Keyword::JOIN => {
                self.relations.beside += 1;
                self.separate();
            }
            Keyword::SELECT
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::QUALIFY
            | Keyword::ORDER
            | Keyword::LIMIT => {
                self.relations.is_in_from = false;
                self.separate();
            }
            Keyword::ON | Keyword::WHEN | Keyword::THEN | Keyword::ELSE => self.separate(),
            Keyword::AND if self.betweens > 0 => self.betweens -= 1,
            Keyword::AND | Keyword::OR => {
                self.connectives += 1;
                self.depth_max = self.depth_max.max(self.depth);
                self.depth = 0;
            }
            Keyword::BETWEEN => {
                self.betweens += 1;
                self.depth += 1;
            }
            Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::COLLATE
            | Keyword::AT
            | Keyword::XOR
            | Keyword::DIV
            | Keyword::NOTNULL
            | Keyword::INTERVAL
            | Keyword::CASE
            | Keyword::OPERATOR
            | Keyword::OVERLAPS
            | Keyword::RLIKE
            | Keyword::REGEXP
            | Keyword::LAMBDA
            | Keyword::PRIOR
            | Keyword::MEMBER
            | Keyword::NOT => self.depth += 1,
            // Of `FROM t PIVOT (…) PIVOT (…)`, each holds what stands before it.
            Keyword::PIVOT | Keyword::UNPIVOT => self.depth += QUERY_LEVELS,
            _ if positional::is_start(tokens, index) => self.nested_relations += 1,
            _ => {}
        }
    }

    fn separate(&mut self) {
        self.depth_max = self.depth_max.max(self.depth);
        (self.depth, self.connectives, self.betweens) = (0, 0, 0);
    }

    fn check(&self, token: &TokenWithSpan) -> Result<()> {
        if self.relations.depth() > RELATIONS_MAX {
            let message = format!(
                "more than {RELATIONS_MAX} joins and sub-queries, of which a query of WITH counts for \
                 {WITH_QUERY_RELATIONS}"
            );
            let hint = "CREATE TABLE name AS (…) keeps the rows of a part of them";
            return Err(too_deep(token, message).with_hint(hint));
        }
        let limits = [
            (
                self.depth,
                EXPRESSION_DEPTH_MAX,
                "operators in one expression",
            ),
            (
                self.connectives,
                CONNECTIVES_MAX,
                "AND and OR in one expression",
            ),
            (self.unions, UNIONS_MAX, "UNIONs in one query"),
            (
                self.nested_relations,
                NESTED_RELATIONS_MAX,
                "set operations, ASOF or positional joins in a row",
            ),
        ];
        match limits.iter().find(|(found, max, _)| found > max) {
            Some((_, max, what)) => Err(too_deep(token, format!("more than {max} {what}"))
                .with_hint("a list takes any number of values: x IN (1, 2, …)")),
            None => Ok(()),
        }
    }
}

fn keyword(tokens: &[TokenWithSpan], index: usize) -> Keyword {
    match tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

fn opens(token: &Token) -> bool {
    matches!(token, Token::LParen | Token::LBracket | Token::LBrace)
}

fn closes(token: &Token) -> bool {
    matches!(token, Token::RParen | Token::RBracket | Token::RBrace)
}

fn too_deep(token: &TokenWithSpan, message: impl Into<String>) -> SheafError {
    let start = token.span.start;
    SheafError::user(message).with_position(Position {
        line: start.line,
        column: start.column,
    })
}

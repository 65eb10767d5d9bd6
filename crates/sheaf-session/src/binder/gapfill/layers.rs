//! The queries below one that fills gaps.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, ObjectName, Query, Select, SelectItem, SetExpr,
    TableAlias, TableFactor, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;
use sheaf_base::{Result, SheafError};
use sheaf_sql::SheafDialect;
use sheaf_sql::walk::WalkMut;

use super::Bucket;
use super::keys::{Extraction, Fill};
use super::range::Range;
use crate::binder::build::{call, query_of};

/// The columns of the groups that are no keys and no aggregates.
const AT: &str = "gap at";
const STEP: &str = "gap step";
const ORIGIN: &str = "gap origin";
const LOW: &str = "gap low";
const END: &str = "gap end";
const LAST: &str = "gap last";
/// What stands for the groups in the text of the layers above them.
const GROUPS: &str = "gap groups";
/// The origin of `date_bin`.
const EPOCH: &str = "TIMESTAMP '1970-01-01'";

/// Makes `select` the query of the groups that have rows.
pub(super) fn group(select: &mut Select, extraction: &Extraction, bucket: &Bucket, range: &Range) {
    let mut keys = extraction.keys.clone();
    if let Some(Expr::Function(call)) = keys.get_mut(extraction.time) {
        call.name = ObjectName::from(vec![Ident::new("date_bin")]);
    }
    let mut items = Vec::new();
    let mut add = |name: &str, expr: Expr| {
        let alias = Ident::with_quote('"', name);
        items.push(SelectItem::ExprWithAlias { expr, alias });
    };
    for (index, key) in keys.iter().enumerate() {
        match index == extraction.time {
            true => add(AT, key.clone()),
            false => add(&Extraction::key_name(index), key.clone()),
        }
    }
    for (index, aggregate) in extraction.aggregates.iter().enumerate() {
        add(&Extraction::aggregate_name(index), aggregate.clone());
    }
    for (index, (_, value)) in extraction.fills.iter().enumerate() {
        add(&Extraction::fill_name(index), value.clone());
    }
    add(STEP, bucket.interval.clone());
    if let Some(origin) = &bucket.origin {
        add(ORIGIN, origin.clone());
    }
    let bounds = [
        (LOW, "greatest", &range.low),
        (END, "least", &range.end),
        (LAST, "least", &range.last),
    ];
    for (name, function, bounds) in bounds {
        match &bounds[..] {
            [] => {}
            [bound] => add(name, bound.clone()),
            bounds => add(name, call(function, bounds.to_vec())),
        }
    }
    let has_time = Expr::IsNotNull(Box::new(Expr::Nested(Box::new(bucket.time.clone()))));
    select.projection = items;
    select.selection = Some(match select.selection.take() {
        Some(condition) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(condition))),
            op: BinaryOperator::And,
            right: Box::new(has_time),
        },
        None => has_time,
    });
    select.group_by = GroupByExpr::Expressions(keys, vec![]);
    select.distinct = None;
    select.top = None;
    select.into = None;
    select.having = None;
    select.named_window = vec![];
    select.qualify = None;
}

/// The groups of `inner` and those of the gaps between them, as a relation.
///
/// # Errors
/// `Internal` if the text of the layers is no SQL.
pub(super) fn filled(
    inner: Select,
    extraction: &Extraction,
    bucket: &Bucket,
    range: &Range,
) -> Result<TableFactor> {
    let text = text(extraction, bucket, range);
    let parsed = Parser::new(&SheafDialect)
        .try_with_sql(&text)
        .and_then(|mut parser| parser.parse_query());
    let mut query = parsed.map_err(|error| {
        SheafError::internal(format!("the layers of date_bin_gapfill: {error}"))
    })?;
    let groups = query_of(SetExpr::Select(Box::new(inner)));
    let _ = query.walk_mut(&mut Inserter(Some(derived(groups))));
    Ok(derived(*query))
}

fn derived(query: Query) -> TableFactor {
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(TableAlias {
            explicit: true,
            name: Ident::with_quote('"', GROUPS),
            columns: vec![],
            at: None,
        }),
        sample: None,
    }
}

/// Puts a relation where the text has its name.
struct Inserter(Option<TableFactor>);

impl VisitorMut for Inserter {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let is_name = matches!(factor, TableFactor::Table { name, .. }
            if name.to_string() == format!("\"{GROUPS}\""));
        if is_name && let Some(groups) = self.0.take() {
            *factor = groups;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// The layers above the groups.
fn text(extraction: &Extraction, bucket: &Bucket, range: &Range) -> String {
    let time = Extraction::key_name(extraction.time);
    let series: Vec<String> = (0..extraction.keys.len())
        .filter(|index| *index != extraction.time)
        .map(|index| format!("\"{}\"", Extraction::key_name(index)))
        .collect();
    let partition = match series.is_empty() {
        true => String::new(),
        false => format!("PARTITION BY {} ", series.join(", ")),
    };
    let origin = match bucket.origin {
        Some(_) => format!("\"{ORIGIN}\""),
        None => EPOCH.to_owned(),
    };
    let bound = |bounds: &[Expr], text: String| match bounds {
        [] => "NULL".to_owned(),
        _ => text,
    };
    let low = format!("CASE WHEN \"gap is first\" THEN \"{LOW}\" END");
    let low = bound(&range.low, low);
    let end = bound(&range.end, format!("\"{END}\""));
    let last = bound(&range.last, format!("\"{LAST}\""));
    let ends = format!("\"gap next\", {end}, {last}");
    let neighbours = format!(
        "SELECT *, lead(\"{AT}\") OVER ({partition}ORDER BY \"{AT}\") AS \"gap next\", \
         lag(\"{AT}\") OVER ({partition}ORDER BY \"{AT}\") IS NULL AS \"gap is first\" \
         FROM \"{GROUPS}\""
    );
    let pieces = format!(
        "SELECT *, unnest(gapfill_pieces(\"{STEP}\", {origin}, \"{AT}\", {low}, {ends})) \
         AS \"gap piece\" FROM ({neighbours}) AS g"
    );
    let buckets = format!(
        "SELECT *, unnest(gapfill_buckets(\"{STEP}\", {origin}, \"{AT}\", \"gap piece\", {ends})) \
         AS \"{time}\" FROM ({pieces}) AS g"
    );
    let mut keys = series;
    keys.push(format!("\"{time}\""));
    let aggregates = (0..extraction.aggregates.len()).map(Extraction::aggregate_name);
    let aggregates: Vec<String> = aggregates.map(|name| format!("\"{name}\"")).collect();
    let fills = (0..extraction.fills.len()).map(Extraction::fill_name);
    let own = |name: &String| format!("CASE WHEN \"{time}\" = \"{AT}\" THEN {name} END AS {name}");
    let mut columns = keys.clone();
    columns.extend(aggregates.iter().map(own));
    columns.extend(fills.map(|name| own(&format!("\"{name}\""))));
    let values = format!("SELECT {} FROM ({buckets}) AS g", columns.join(", "));
    keys.extend(aggregates);
    match extraction.fills.is_empty() {
        true => values,
        false => with_fills(&values, keys, extraction, &partition, &time),
    }
}

/// `columns` of `values`, and what is filled with what fills its gaps.
fn with_fills(
    values: &str,
    mut columns: Vec<String>,
    extraction: &Extraction,
    partition: &str,
    time: &str,
) -> String {
    let window = |value: &str, function: &str, frame: &str| {
        format!(
            "{function}({value}) IGNORE NULLS OVER ({partition}ORDER BY \"{time}\" ROWS BETWEEN {frame})"
        )
    };
    let before = |value: &str| window(value, "last_value", "UNBOUNDED PRECEDING AND CURRENT ROW");
    let after = |value: &str| window(value, "first_value", "CURRENT ROW AND UNBOUNDED FOLLOWING");
    for (index, (fill, _)) in extraction.fills.iter().enumerate() {
        let name = format!("\"{}\"", Extraction::fill_name(index));
        let filled = match fill {
            Fill::Last => before(&name),
            Fill::Line => {
                let number = format!("CAST({name} AS DOUBLE)");
                let known_at = format!("CASE WHEN {name} IS NOT NULL THEN \"{time}\" END");
                let second = |time: &str| format!("date_part('epoch', {time})");
                let (low, high) = (before(&number), after(&number));
                let begin = second(&before(&known_at));
                let end = second(&after(&known_at));
                let now = second(&format!("\"{time}\""));
                format!(
                    "coalesce({number}, {low} + ({high} - {low}) * (({now} - {begin}) / nullif({end} - {begin}, 0)))"
                )
            }
        };
        columns.push(format!("{filled} AS {name}"));
    }
    format!("SELECT {} FROM ({values}) AS g", columns.join(", "))
}

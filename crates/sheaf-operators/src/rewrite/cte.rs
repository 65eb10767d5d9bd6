//! Queries of WITH that are read more than once: `"sheaf.cte"((query), …)`.
//!
//! The planner below puts a copy of the query's plan in each place that names it. The reserved
//! relation's planner sees the plan, and makes one that runs once of it where two runs could give
//! different rows, or where MATERIALIZED asks for it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, CteAsMaterialized, Expr, ObjectName, Query, SetExpr, TableFactor, Value, Visitor,
};
use sheaf_base::Result;
use sheaf_sql::walk::Walk;

use super::reserved;

pub(super) fn rewrite_query(query: &mut Query) -> Result<()> {
    let uses = match &query.with {
        None => return Ok(()),
        Some(with) => {
            let names = with
                .cte_tables
                .iter()
                .map(|cte| cte.alias.name.value.clone());
            let mut uses = Uses {
                counts: names.map(|name| (name, 0)).collect(),
            };
            let _ = query.walk(&mut uses);
            uses
        }
    };
    let Some(with) = &mut query.with else {
        return Ok(());
    };
    for (cte, (_, count)) in with.cte_tables.iter_mut().zip(uses.counts) {
        if count > 1 && !(with.recursive && reads_itself(cte)) {
            share(cte)?;
        }
    }
    Ok(())
}

fn share(cte: &mut Cte) -> Result<()> {
    let is_wanted = match cte.materialized.take() {
        Some(CteAsMaterialized::NotMaterialized) => return Ok(()),
        Some(CteAsMaterialized::Materialized) => true,
        None => false,
    };
    let inner = std::mem::replace(
        cte.query.as_mut(),
        reserved::body_only(reserved::vacant_body()),
    );
    let argument = Expr::Value(Value::Boolean(is_wanted).into());
    let select = reserved::select_from(reserved::CTE, inner, vec![argument])?;
    *cte.query = reserved::body_only(SetExpr::Select(select));
    Ok(())
}

fn reads_itself(cte: &Cte) -> bool {
    let mut uses = Uses {
        counts: vec![(cte.alias.name.value.clone(), 0)],
    };
    let _ = cte.query.walk(&mut uses);
    uses.counts.iter().any(|(_, count)| *count > 0)
}

/// Counts how often relations of these names are read. A name that stands for something else in an
/// inner query counts also, which does no harm.
struct Uses {
    counts: Vec<(String, usize)>,
}

impl Visitor for Uses {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
            && let Some(name) = single(name)
        {
            for (known, count) in &mut self.counts {
                if known.eq_ignore_ascii_case(name) {
                    *count += 1;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn single(name: &ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(|ident| ident.value.as_str()),
        _ => None,
    }
}

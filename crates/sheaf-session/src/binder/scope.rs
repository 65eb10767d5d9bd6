//! The queries of WITH that a place in a statement sees, for parts of it that are planned apart.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{Cte, Query, SetExpr, With};

use super::build::query_of;
use super::normalize;

/// The WITH clauses around a place in a statement, kept by a visitor that tells of each query.
#[derive(Default)]
pub(super) struct Scope {
    queries: Vec<Around>,
}

/// A query around the place.
struct Around {
    /// Its WITH clause, with what visitors have made of its queries.
    with: Option<With>,
    /// How many of its queries have been left: the place sees these.
    seen: usize,
}

impl Scope {
    /// The visitor enters `query`.
    pub(super) fn enter(&mut self, query: &Query) {
        let with = query.with.clone();
        self.queries.push(Around { with, seen: 0 });
    }

    /// The visitor leaves `query`. A query of WITH is left before any other query within the one
    /// that it belongs to.
    pub(super) fn leave(&mut self, query: &Query) {
        self.queries.pop();
        if let Some(around) = self.queries.last_mut()
            && let Some(with) = &mut around.with
            && let Some(cte) = with.cte_tables.get_mut(around.seen)
        {
            *cte.query = query.clone();
            around.seen += 1;
        }
    }

    /// Whether `name` is one of a query of WITH at this place.
    pub(super) fn sees(&self, name: &str) -> bool {
        self.queries.iter().any(|around| {
            let ctes = around.with.iter().flat_map(|with| {
                let itself = usize::from(with.recursive);
                with.cte_tables.iter().take(around.seen + itself)
            });
            ctes.into_iter()
                .any(|cte| normalize(&cte.alias.name) == name)
        })
    }

    /// The query `body`, as it would be at this place.
    pub(super) fn query(&self, body: SetExpr) -> Query {
        let mut visible: Vec<Cte> = Vec::new();
        let mut is_recursive = false;
        for around in &self.queries {
            let Some(with) = &around.with else { continue };
            is_recursive |= with.recursive && around.seen > 0;
            let seen = with.cte_tables.iter().take(around.seen).cloned();
            // A recursive query has the columns of its first rows.
            let itself = with.cte_tables.get(around.seen).filter(|_| with.recursive);
            for cte in seen.chain(itself.and_then(first_rows)) {
                let name = normalize(&cte.alias.name);
                visible.retain(|other| normalize(&other.alias.name) != name);
                visible.push(cte);
            }
        }
        let mut query = query_of(body);
        if !visible.is_empty() {
            query.with = Some(With {
                with_token: AttachedToken::empty(),
                recursive: is_recursive,
                cte_tables: visible,
            });
        }
        query
    }
}

/// A recursive query without its recursive part.
fn first_rows(cte: &Cte) -> Option<Cte> {
    let SetExpr::SetOperation { left, .. } = cte.query.body.as_ref() else {
        return None;
    };
    let mut first = cte.clone();
    first.query.body = left.clone();
    Some(first)
}

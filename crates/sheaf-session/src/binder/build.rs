//! Small pieces of syntax trees.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;

/// `SELECT * FROM relation`
pub(super) fn select_all(relation: ast::TableFactor) -> ast::Query {
    let all = ast::SelectItem::Wildcard(ast::WildcardAdditionalOptions::default());
    let from = ast::TableWithJoins {
        relation,
        joins: vec![],
    };
    query_of(ast::SetExpr::Select(Box::new(select_from(
        vec![all],
        vec![from],
    ))))
}

/// `SELECT items FROM from`
pub(super) fn select_from(
    items: Vec<ast::SelectItem>,
    from: Vec<ast::TableWithJoins>,
) -> ast::Select {
    ast::Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: vec![],
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: items,
        exclude: None,
        into: None,
        from,
        lateral_views: vec![],
        prewhere: None,
        selection: None,
        connect_by: vec![],
        group_by: ast::GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: ast::SelectFlavor::Standard,
    }
}

/// A query of nothing but `body`.
pub(super) fn query_of(body: ast::SetExpr) -> ast::Query {
    ast::Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

/// `name(arguments)`
pub(super) fn call(name: &str, arguments: Vec<ast::Expr>) -> ast::Expr {
    let arguments = arguments.into_iter();
    let arguments =
        arguments.map(|argument| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(argument)));
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// The relation `name`.
pub(crate) fn table_factor(name: ast::ObjectName) -> ast::TableFactor {
    ast::TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

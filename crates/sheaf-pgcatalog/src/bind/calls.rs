//! Calls of functions, aggregates and window functions.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, Expr as Ast};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::coerce::{agreed, shown};
use super::from::known_type;
use super::query::order_of;
use super::{Binder, at, parts_of, unsupported};
use crate::functions::{
    AGGREGATES, ANY, ANYARRAY, Aggregate, AggregateType, Function, Returns, SET_FUNCTIONS,
    SetFunction, VARIADIC, functions_named,
};
use crate::plan::{
    AggregateCall, Expr, OrderKey, OutColumn, SetCall, Typed, WindowCall, WindowFunction,
};
use crate::types::{
    FLOAT8, INT2, INT4, INT8, Kind, NUMERIC, Oid, RECORD, TEXT, UNKNOWN, kind_of, types,
};

/// How well arguments fit what a function takes: the higher the better; `None` if they do not.
fn fit(given: &[Oid], takes: &[Oid]) -> Option<usize> {
    if takes == [VARIADIC] {
        return Some(0);
    }
    if given.len() != takes.len() {
        return None;
    }
    let pairs = given.iter().zip(takes);
    let scores = pairs.map(|(given, takes)| {
        let given = types().base_of(*given);
        match *takes {
            ANY => Some(1),
            ANYARRAY => (given == UNKNOWN || kind_of(given) == Kind::Array).then_some(2),
            takes if takes == given => Some(4),
            takes if given == UNKNOWN => Some(if takes == TEXT { 3 } else { 2 }),
            takes => {
                let (from, to) = (kind_of(given), kind_of(takes));
                let is_wider = matches!(
                    (from, to),
                    (Kind::Int, Kind::Numeric | Kind::Float) | (Kind::Numeric, Kind::Float)
                );
                (from == to || is_wider).then_some(if from == to { 3 } else { 1 })
            }
        }
    });
    scores.sum()
}

/// Of functions of one name the one that fits best.
fn choose<'f, F>(
    functions: impl Iterator<Item = &'f F>,
    given: &[Oid],
    takes: impl Fn(&F) -> &'static [Oid],
) -> Option<&'f F> {
    let mut best: Option<(usize, &F)> = None;
    for function in functions {
        if let Some(score) = fit(given, takes(function))
            && best.is_none_or(|(found, _)| score > found)
        {
            best = Some((score, function));
        }
    }
    best.map(|(_, function)| function)
}

/// The function of that name for arguments of these types.
pub(crate) fn function_for(name: &str, given: &[Oid]) -> Option<&'static Function> {
    choose(functions_named(name), given, |function: &Function| {
        function.arguments
    })
}

impl SetCall {
    /// The columns of its rows.
    pub(super) fn columns(&self) -> Vec<OutColumn> {
        let array = self
            .arguments
            .first()
            .map_or(UNKNOWN, |typed| typed.type_of);
        let element = types().element_of(types().base_of(array)).unwrap_or(TEXT);
        let columns = self.function.columns.iter();
        columns
            .map(|(name, type_of)| {
                OutColumn::new(*name, if *type_of == 0 { element } else { *type_of })
            })
            .collect()
    }
}

impl Binder<'_> {
    /// Binds a call.
    ///
    /// # Errors
    /// `UserInput` (42883) if there is no such function.
    pub(super) fn function(&mut self, function: &ast::Function) -> Result<Typed> {
        let name = parts_of(&function.name).pop().unwrap_or_default();
        let list = match &function.args {
            ast::FunctionArguments::None => None,
            ast::FunctionArguments::List(list) => Some(list),
            ast::FunctionArguments::Subquery(query) if name == "array" => {
                return self.array_query(query);
            }
            ast::FunctionArguments::Subquery(_) => return Err(unsupported("such a call")),
        };
        if let Some(over) = &function.over {
            return self.window(&name, function, list, over);
        }
        if let Some(aggregate) = AGGREGATES.iter().find(|known| known.name == name) {
            let call = self.aggregate(aggregate, function, list)?;
            let type_of = type_of_aggregate(&call);
            let scope = self.scope_mut()?;
            scope.aggregates.push(call);
            return Ok(Typed {
                expr: Expr::Aggregate(scope.aggregates.len() - 1),
                type_of,
            });
        }
        let arguments = self.arguments(list.map_or(&[][..], |list| &list.args))?;
        let ident = function.name.0.last().and_then(|part| part.as_ident());
        match name.as_str() {
            "coalesce" | "ifnull" => {
                let (arguments, type_of) = self.unify_all(arguments)?;
                let arguments = arguments.into_iter().map(|typed| typed.expr);
                return Ok(Typed {
                    expr: Expr::Coalesce(arguments.collect()),
                    type_of,
                });
            }
            "row" => {
                let fields = arguments.into_iter().map(|typed| typed.expr).collect();
                return Ok(Typed {
                    expr: Expr::Row(fields),
                    type_of: RECORD,
                });
            }
            _ => {}
        }
        if let Some(call) = self.set_call(&name, arguments.clone())? {
            return self.set_value(call);
        }
        self.scalar_call(&name, arguments, ident)
    }

    /// The value of a function of sets in the list of SELECT, one row after the other.
    fn set_value(&mut self, call: SetCall) -> Result<Typed> {
        let columns = call.columns();
        let type_of = match columns.as_slice() {
            [column] => column.type_of,
            _ => RECORD,
        };
        let scope = self.scope_mut()?;
        scope.sets.push(call);
        Ok(Typed {
            expr: Expr::Set(scope.sets.len() - 1),
            type_of,
        })
    }

    /// Binds arguments.
    ///
    /// # Errors
    /// `Unsupported` for arguments with names.
    pub(super) fn arguments(&mut self, arguments: &[ast::FunctionArg]) -> Result<Vec<Typed>> {
        let bound = arguments.iter().map(|argument| match argument {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => self.expr(expr),
            _ => Err(unsupported("such an argument")),
        });
        bound.collect()
    }

    fn coerced(&mut self, arguments: Vec<Typed>, takes: &[Oid]) -> Result<Vec<Typed>> {
        let wanted = takes.iter().copied().chain(std::iter::repeat(VARIADIC));
        let arguments = arguments.into_iter().zip(wanted);
        let arguments = arguments.map(|(argument, wanted)| match wanted {
            ANY | VARIADIC if argument.type_of == UNKNOWN => self.coerce(argument, TEXT),
            ANYARRAY if argument.type_of == UNKNOWN => self.coerce(argument, 1009),
            ANY | VARIADIC | ANYARRAY => Ok(argument),
            wanted => self.coerce(argument, wanted),
        });
        arguments.collect()
    }

    /// A function of that name that gives rows.
    ///
    /// # Errors
    /// As [`Binder::coerce`].
    pub(super) fn set_call(
        &mut self,
        name: &str,
        arguments: Vec<Typed>,
    ) -> Result<Option<SetCall>> {
        let given: Vec<Oid> = arguments.iter().map(|typed| typed.type_of).collect();
        let named = SET_FUNCTIONS
            .iter()
            .filter(|function| function.name == name);
        let found = choose(named, &given, |function: &SetFunction| function.arguments);
        let Some(function) = found else {
            return Ok(None);
        };
        Ok(Some(SetCall {
            arguments: self.coerced(arguments, function.arguments)?,
            function,
        }))
    }

    /// A function that gives one value: of this crate, or of the engine.
    ///
    /// # Errors
    /// `UserInput` (42883) if there is none for these arguments.
    pub(super) fn scalar_call(
        &mut self,
        name: &str,
        arguments: Vec<Typed>,
        ident: Option<&ast::Ident>,
    ) -> Result<Typed> {
        let given: Vec<Oid> = arguments.iter().map(|typed| typed.type_of).collect();
        let own = function_for(name, &given);
        if let Some(function) = own.filter(|own| !own.gives_way || !self.engine.has(name)) {
            let mut arguments = self.coerced(arguments, function.arguments)?;
            if name == "nullif"
                && let [left, right] = arguments.as_slice()
                && let Some(common) = agreed(left.type_of, right.type_of)
            {
                arguments = self.coerced(arguments, &[common, common])?;
            }
            let first = arguments.first().map_or(TEXT, known_type);
            let type_of = match function.returns {
                Returns::Type(type_of) => type_of,
                Returns::Same => first,
            };
            if function.is_volatile {
                self.note_volatile();
            }
            return Ok(Typed {
                expr: Expr::Call(function, arguments),
                type_of,
            });
        }
        let arguments = self.coerced(arguments, &[VARIADIC])?;
        let types: Vec<Oid> = arguments.iter().map(known_type).collect();
        if let Some((external, type_of)) = self.engine.resolve(name, &types)? {
            if external.is_volatile() {
                self.note_volatile();
            }
            return Ok(Typed {
                expr: Expr::External(Arc::new(external), arguments),
                type_of,
            });
        }
        let given = given.into_iter().map(shown).collect::<Vec<_>>().join(", ");
        let error = SheafError::user(format!("function {name}({given}) does not exist"))
            .with_state(SqlState::UNDEFINED_FUNCTION)
            .with_hint("no function matches the given name and argument types");
        Err(match ident {
            Some(ident) => at(error, ident),
            None => error,
        })
    }

    /// Notes that no query around gives the same rows always.
    fn note_volatile(&mut self) {
        for uses in &mut self.uses {
            uses.is_volatile = true;
        }
    }

    fn aggregate(
        &mut self,
        aggregate: &'static Aggregate,
        function: &ast::Function,
        list: Option<&ast::FunctionArgumentList>,
    ) -> Result<AggregateCall> {
        let given = list.map_or(&[][..], |list| &list.args);
        let is_star = matches!(
            given,
            [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)]
        );
        let arguments = match is_star {
            true => vec![],
            false => self.arguments(given)?,
        };
        let arguments = arguments.into_iter().map(|typed| match typed.type_of {
            UNKNOWN if aggregate.wants != ANY => self.coerce(typed, aggregate.wants),
            UNKNOWN => self.coerce(typed, TEXT),
            _ => Ok(typed),
        });
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let mut order = vec![];
        for clause in list.map_or(&[][..], |list| &list.clauses) {
            match clause {
                ast::FunctionArgumentClause::OrderBy(keys) => order = self.order_keys(keys)?,
                _ => return Err(unsupported("such a clause of an aggregate")),
            }
        }
        let distinct = list.and_then(|list| list.duplicate_treatment);
        let filter = function.filter.as_ref();
        Ok(AggregateCall {
            function: aggregate,
            arguments,
            is_distinct: distinct == Some(ast::DuplicateTreatment::Distinct),
            order,
            filter: filter.map(|filter| self.condition(filter)).transpose()?,
        })
    }

    fn order_keys(&mut self, keys: &[ast::OrderByExpr]) -> Result<Vec<OrderKey>> {
        let keys = keys.iter().map(|key| {
            let order = order_of(0, key.options);
            Ok(OrderKey {
                expr: self.expr(&key.expr)?.expr,
                is_descending: order.is_descending,
                nulls_first: order.nulls_first,
            })
        });
        keys.collect()
    }

    fn window(
        &mut self,
        name: &str,
        function: &ast::Function,
        list: Option<&ast::FunctionArgumentList>,
        over: &ast::WindowType,
    ) -> Result<Typed> {
        let ast::WindowType::WindowSpec(spec) = over else {
            return Err(unsupported("a named window"));
        };
        if spec.window_frame.is_some() || spec.window_name.is_some() {
            return Err(unsupported("a window's frame"));
        }
        let partition = spec.partition_by.iter().map(|key| Ok(self.expr(key)?.expr));
        let partition = partition.collect::<Result<Vec<_>>>()?;
        let order = self.order_keys(&spec.order_by)?;
        let (function, type_of) = match name {
            "row_number" => (WindowFunction::RowNumber, INT8),
            "rank" => (WindowFunction::Rank, INT8),
            "dense_rank" => (WindowFunction::DenseRank, INT8),
            name => {
                let found = AGGREGATES.iter().find(|known| known.name == name);
                let Some(aggregate) = found.filter(|_| order.is_empty()) else {
                    return Err(unsupported("such a window function"));
                };
                let call = self.aggregate(aggregate, function, list)?;
                let type_of = type_of_aggregate(&call);
                (WindowFunction::Aggregate(call), type_of)
            }
        };
        let scope = self.scope_mut()?;
        scope.windows.push(WindowCall {
            function,
            partition,
            order,
        });
        Ok(Typed {
            expr: Expr::Window(scope.windows.len() - 1),
            type_of,
        })
    }

    /// Calls that SQL has words for.
    ///
    /// # Errors
    /// `Unsupported` for those that have no function here.
    pub(super) fn worded(&mut self, expr: &Ast) -> Result<Typed> {
        let (name, arguments): (&str, Vec<&Ast>) = match expr {
            Ast::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => {
                let length = substring_for.as_deref();
                let all = [Some(expr.as_ref()), Some(from.as_ref()), length];
                ("substr", all.into_iter().flatten().collect())
            }
            Ast::Trim {
                expr,
                trim_where,
                trim_what,
                trim_characters: None,
            } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    Some(ast::TrimWhereField::Both) | None => "btrim",
                };
                let what = trim_what.as_deref();
                (
                    name,
                    [Some(expr.as_ref()), what].into_iter().flatten().collect(),
                )
            }
            Ast::Position { expr, r#in } => ("strpos", vec![r#in, expr]),
            Ast::Floor { expr, .. } => ("floor", vec![expr]),
            Ast::Ceil { expr, .. } => ("ceil", vec![expr]),
            _ => return Err(unsupported("such an expression")),
        };
        let arguments = arguments.into_iter().map(|argument| self.expr(argument));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        self.scalar_call(name, arguments, None)
    }
}

/// The type that an aggregate gives for the arguments of a call.
fn type_of_aggregate(call: &AggregateCall) -> Oid {
    let first = call.arguments.first().map_or(TEXT, known_type);
    match call.function.returns {
        AggregateType::Type(type_of) => type_of,
        AggregateType::Sum => match first {
            INT2 | INT4 => INT8,
            first if kind_of(first) == Kind::Int => NUMERIC,
            first => first,
        },
        AggregateType::Mean => match kind_of(first) {
            Kind::Float => FLOAT8,
            _ => NUMERIC,
        },
        AggregateType::Same => first,
        AggregateType::ArrayOfSame => {
            let first = types().base_of(first);
            types().array_of(first).unwrap_or(1009)
        }
    }
}

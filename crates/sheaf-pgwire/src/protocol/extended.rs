//! The extended protocol: statements that are kept (Parse), portals that are one of them with its
//! parameters (Bind), and rows in portions (Execute).

use std::sync::Arc;

use bytes::Bytes;
use sheaf::{PreparedStatement, Result, ScalarValue, SheafError, SqlState, StatementKind};

use super::answer::Answer;
use super::prepared::{Described, Kept, Life, Portal};
use super::{Client, SharedStatement, time_zone};
use crate::decode;
use crate::errors::{Failure, Flow, protocol_error};
use crate::message::backend::{self, Plain};
use crate::message::frontend::{Bind, Format, Frontend, Target};
use crate::types::{WireType, arrow_type, columns_of, parameter_type, wire_type};

/// What a portal is called in messages.
const PORTAL: &str = "portal";

/// What is done with a portal.
enum Step {
    Describe,
    /// With the most rows, if that is over 0.
    Execute(i32),
}

impl Client {
    /// One step of the extended protocol.
    pub(super) async fn extended(&mut self, message: Frontend) -> Flow<()> {
        match message {
            Frontend::Parse {
                statement,
                sql,
                types,
            } => self.parse(statement, &sql, &types).await,
            Frontend::Bind(bind) => self.bind(bind).await,
            Frontend::Describe(Target::Statement(name)) => self.describe_statement(&name).await,
            Frontend::Describe(Target::Portal(name)) => {
                self.with_portal(name, Step::Describe).await
            }
            Frontend::Execute { portal, rows_max } => {
                self.with_portal(portal, Step::Execute(rows_max)).await
            }
            Frontend::Close(Target::Statement(name)) => {
                self.prepared.close(&name);
                self.session.forget_kept(&name);
                self.plain(Plain::CloseComplete);
                Ok(())
            }
            Frontend::Close(Target::Portal(name)) => {
                drop(self.prepared.take_portal(&name, PORTAL));
                self.plain(Plain::CloseComplete);
                Ok(())
            }
            _ => Err(Failure::Fatal(protocol_error("unexpected message"))),
        }
    }

    /// An error whose place is in the text of a prepared statement is told with it.
    fn explain<T>(&mut self, outcome: Flow<T>, sql: Option<&str>) -> Flow<Option<T>> {
        match outcome {
            Err(Failure::Error(error)) => {
                self.fail_extended(&error, sql);
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    async fn parse(&mut self, name: String, sql: &str, types: &[u32]) -> Flow<()> {
        let parsed = self.parse_one(sql).await;
        let Some(statement) = self.explain(parsed, Some(sql))? else {
            return Ok(());
        };
        // The one without a name makes place for the next.
        if name.is_empty() {
            self.prepared.forget("");
        }
        let place = self.session.keep(sql.len() + size_of_val(types))?;
        let kept = Kept {
            _place: place.clone(),
            sql: Some(sql.into()),
            statement: statement.clone(),
            declared: types.into(),
            described: None,
            is_told: false,
        };
        self.prepared.keep(name.clone(), kept)?;
        // EXECUTE knows it by its name, which PREPARE may have given to another.
        if let (Some(statement), false) = (&statement, name.is_empty()) {
            let named = self.session.name_kept(&name, statement.statement(), &place);
            if let Err(error) = named {
                self.prepared.forget(&name);
                return Err(error.into());
            }
        }
        self.plain(Plain::ParseComplete);
        Ok(())
    }

    async fn parse_one(&mut self, sql: &str) -> Flow<Option<SharedStatement>> {
        let mut statements = self.parse_apart(sql).await?;
        if statements.len() > 1 {
            return Err(SheafError::user(
                "cannot insert multiple commands into a prepared statement",
            )
            .with_state(SqlState::SYNTAX_ERROR)
            .into());
        }
        let statement = statements.pop().map(PreparedStatement::new).map(Arc::new);
        let ends_failure = statement.as_ref().is_none_or(|s| self.ends_failure(s));
        if !ends_failure {
            self.transaction.check()?;
        }
        Ok(statement)
    }

    /// What SQL's PREPARE has named is known by that name here, too.
    fn adopt(&mut self, name: &str) -> Result<()> {
        if name.is_empty() || self.prepared.has(name) {
            return Ok(());
        }
        let Some((statement, place)) = self.session.kept(name) else {
            return Ok(());
        };
        let kept = Kept {
            sql: None,
            statement: Some(Arc::new(PreparedStatement::new(statement))),
            declared: Arc::default(),
            described: None,
            is_told: false,
            _place: place,
        };
        self.prepared.keep(name.to_owned(), kept)
    }

    /// What a kept statement takes and gives.
    async fn describe(&mut self, name: &str) -> Flow<Arc<Described>> {
        let kept = self.prepared.get(name)?.clone();
        if let Some(described) = kept.described {
            return Ok(described);
        }
        let Some(statement) = kept.statement else {
            return Ok(Arc::new(Described {
                parameters: vec![],
                columns: None,
            }));
        };
        if let Some(columns) = self.own_columns(&statement) {
            // Not kept: those of FETCH are another cursor's the next time.
            return Ok(Arc::new(Described {
                parameters: vec![],
                columns,
            }));
        }
        let declared: Vec<_> = kept
            .declared
            .iter()
            .map(|oid| parameter_type(*oid))
            .collect();
        let types: Vec<_> = declared.iter().map(|t| t.map(arrow_type)).collect();
        let session = self.session.clone();
        let stop = self.key.running.begin();
        let outcome = self
            .guard(&stop, session.describe(statement.statement(), &types))
            .await;
        self.key.running.end();
        let description = outcome?;
        let parameters = description.parameters.iter().enumerate();
        let parameters = parameters.map(|(index, field)| {
            let declared = declared.get(index).copied().flatten();
            declared.unwrap_or_else(|| wire_type(field))
        });
        let described = Arc::new(Described {
            parameters: parameters.collect(),
            columns: description.columns.as_ref().map(columns_of),
        });
        if let Some(kept) = self.prepared.get_mut(name) {
            kept.described = Some(Arc::clone(&described));
        }
        Ok(described)
    }

    async fn describe_statement(&mut self, name: &str) -> Flow<()> {
        self.adopt(name)?;
        let kept = self.prepared.get(name)?;
        let (sql, statement) = (kept.sql.clone(), kept.statement.clone());
        if !statement.as_ref().is_none_or(|s| self.ends_failure(s)) {
            self.transaction.check()?;
        }
        let described = self.describe(name).await;
        let Some(described) = self.explain(described, sql.as_deref())? else {
            return Ok(());
        };
        // A type is called what the client calls it: varchar, not text.
        let declared = &self.prepared.get(name)?.declared;
        let types = described.parameters.iter().enumerate();
        let types: Vec<u32> = types
            .map(|(index, known)| match declared.get(index) {
                Some(oid) if parameter_type(*oid).is_some() => *oid,
                _ => known.oid(),
            })
            .collect();
        backend::parameter_description(&mut self.connection.output, &types);
        match &described.columns {
            Some(columns) => {
                backend::row_description(&mut self.connection.output, columns, &[]);
                if let Some(kept) = self.prepared.get_mut(name) {
                    kept.is_told = true;
                }
            }
            None => self.plain(Plain::NoData),
        }
        Ok(())
    }

    async fn bind(&mut self, bind: Bind) -> Flow<()> {
        self.adopt(&bind.statement)?;
        let kept = self.prepared.get(&bind.statement)?;
        let (sql, statement) = (kept.sql.clone(), kept.statement.clone());
        if !statement.as_ref().is_none_or(|s| self.ends_failure(s)) {
            self.transaction.check()?;
        }
        // Without a `$` there is no parameter, and no need to plan twice.
        let has_parameters = statement.is_some_and(|statement| statement.text.contains('$'));
        let types = match has_parameters || !bind.parameters.is_empty() {
            true => {
                let described = self.describe(&bind.statement).await;
                let Some(described) = self.explain(described, sql.as_deref())? else {
                    return Ok(());
                };
                described.parameters.clone()
            }
            false => vec![],
        };
        let parameters = parameters_of(&bind, &types, &time_zone(&self.session))?;
        let values = bind.parameters.iter();
        let bytes =
            values.map(|value| size_of::<ScalarValue>() + value.as_ref().map_or(0, Bytes::len));
        let parameter_bytes = bytes.sum();
        self.prepared
            .check_place(&bind.portal, parameter_bytes, PORTAL)?;
        let kept = self.prepared.get(&bind.statement)?.clone();
        let portal = Portal {
            statement: Some(bind.statement),
            kept,
            parameters,
            parameter_bytes,
            formats: bind.result_formats,
            answer: None,
            life: Life::Transaction,
            depth: self.transaction.depth(),
        };
        self.prepared.insert_portal(bind.portal, portal);
        self.plain(Plain::BindComplete);
        Ok(())
    }

    /// Does something with a portal, which is there again afterwards unless that has failed.
    async fn with_portal(&mut self, name: String, step: Step) -> Flow<()> {
        let mut portal = self.prepared.take_portal(&name, PORTAL)?;
        let sql = portal.kept.sql.clone();
        let outcome = match step {
            Step::Describe => self.describe_portal(&mut portal).await,
            Step::Execute(rows_max) => self.execute(&mut portal, rows_max).await,
        };
        self.key.running.end();
        if self.explain(outcome, sql.as_deref())?.is_some() {
            self.prepared.insert_portal(name, portal);
        }
        Ok(())
    }

    /// Starts what a portal stands for, if that has not happened.
    async fn started<'p>(&mut self, portal: &'p mut Portal) -> Flow<Option<&'p mut Answer>> {
        let Some(statement) = portal.kept.statement.clone() else {
            return Ok(None);
        };
        if portal.answer.is_none() {
            let stop = self.key.running.begin();
            let parameters = std::mem::take(&mut portal.parameters);
            let answer = self.start(&statement, parameters, &stop).await?;
            answer.check_formats(&portal.formats)?;
            let described = portal
                .kept
                .described
                .as_ref()
                .filter(|_| portal.kept.is_told);
            if let Some(columns) = described.and_then(|described| described.columns.as_ref()) {
                answer.check_columns(columns)?;
            }
            portal.answer = Some(answer);
        }
        Ok(portal.answer.as_mut())
    }

    async fn describe_portal(&mut self, portal: &mut Portal) -> Flow<()> {
        let columns = match portal.kept.statement.clone() {
            None => None,
            Some(statement) => match self.own_columns(&statement) {
                Some(columns) => columns,
                None if gives_rows(&statement.kind) => {
                    let answer = self.started(portal).await?;
                    answer.and_then(|answer| answer.columns.clone())
                }
                None => None,
            },
        };
        match columns {
            Some(columns) => {
                let out = &mut self.connection.output;
                backend::row_description(out, &columns, &portal.formats);
            }
            None => self.plain(Plain::NoData),
        }
        Ok(())
    }

    async fn execute(&mut self, portal: &mut Portal, rows_max: i32) -> Flow<()> {
        let formats = portal.formats.clone();
        let Some(answer) = self.started(portal).await? else {
            self.plain(Plain::EmptyQuery);
            return Ok(());
        };
        let stop = self.key.running.begin();
        let rows_max = u64::try_from(rows_max).ok().filter(|most| *most > 0);
        self.send(answer, &formats, rows_max, &stop).await
    }
}

/// Whether a statement only shows something, so that it may begin before it is executed.
fn gives_rows(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Query(_)
            | StatementKind::Explain { .. }
            | StatementKind::Show { .. }
            | StatementKind::ShowAll
            | StatementKind::ShowTables { .. }
            | StatementKind::ShowFunctions { .. }
            | StatementKind::ShowCreateFunction { .. }
            | StatementKind::ShowColumns { .. }
            | StatementKind::ShowPartitions { .. }
            | StatementKind::Describe(_)
            | StatementKind::Summarize(_)
            | StatementKind::Execute { .. }
    )
}

/// The values of a Bind message.
fn parameters_of(bind: &Bind, types: &[WireType], zone: &str) -> Result<Vec<ScalarValue>> {
    if bind.parameters.len() != types.len() {
        return Err(protocol_error(format!(
            "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
            bind.parameters.len(),
            bind.statement,
            types.len()
        )));
    }
    let formats = &bind.parameter_formats;
    if formats.len() > 1 && formats.len() != types.len() {
        return Err(protocol_error(format!(
            "bind message has {} parameter formats but {} parameters",
            formats.len(),
            types.len()
        )));
    }
    let values = bind.parameters.iter().zip(types).enumerate();
    values
        .map(|(index, (bytes, wire_type))| {
            let format = Format::of(formats, index).unwrap_or(Format::Text);
            decode::value(bytes.clone(), format, *wire_type, zone)
                .map_err(|error| error.with_context(format!("parameter ${}", index + 1)))
        })
        .collect()
}

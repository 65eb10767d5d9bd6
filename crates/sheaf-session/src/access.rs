//! What the statements of a session may reach: the gate between a remote client and the machine.
//!
//! The command line has the rights of its user. A session that somebody reaches over the network
//! has none but those named here, and everything here is an allow-list: a statement, plan node,
//! table function or system table that is not listed is refused, also one that is added later. The
//! gates stand where things happen (a statement's dispatch, the binder's opening of files, the
//! plan), so that views, sub-queries, EXPLAIN, PREPARE and EXECUTE pass them like anything else.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::settings::Settings;
use sheaf_base::units::parse_duration;
use sheaf_base::{Result, SheafError};
use sheaf_files::stores::Roots;
use sheaf_sql::{Statement, StatementKind};

/// What the statements of a session may reach.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everything that the process may: any path, any statement, any setting.
    #[default]
    Process,
    /// Reading of named tables and of what the engine says of itself to everybody. No path, no
    /// `read_…` call, nothing that writes or creates, no setting that others feel.
    NamedTables,
    /// That, and files beneath directories that the server was given: to read, and to write if one of
    /// them is for that. What it creates is its own and ends with it.
    Beneath(Arc<Roots>),
}

/// Table functions that read nothing but their arguments.
const TABLE_FUNCTIONS: &[&str] = &["generate_series", "range"];

/// Tables of the schema `sheaf` that show nothing of other sessions.
const SYSTEM_TABLES: &[&str] = &["functions", "settings"];

/// Tables of PostgreSQL's catalogue, which say no more than the session may know, but for those that
/// are an admin's alone.
fn is_open_catalog_table(schema: &str, table: &str) -> bool {
    sheaf_pgcatalog::has_table(Some(schema), table) && !sheaf_pgcatalog::is_secret(schema, table)
}

impl Access {
    /// Whether it is everything that the process may.
    pub(crate) fn is_process(&self) -> bool {
        matches!(self, Self::Process)
    }

    /// What paths lie beneath, for who may name some beneath directories alone.
    pub(crate) fn roots(&self) -> Option<Arc<Roots>> {
        match self {
            Self::Beneath(roots) => Some(Arc::clone(roots)),
            Self::Process | Self::NamedTables => None,
        }
    }

    /// Checks that a statement of this kind may run.
    ///
    /// # Errors
    /// `UserInput` (25006) if it may not; (42501) for functions.
    pub(crate) fn check_statement(&self, statement: &Statement) -> Result<()> {
        if self.is_process() || is_reading(&statement.kind) || self.is_own(&statement.kind) {
            return Ok(());
        }
        if let StatementKind::CreateFunction(function) = &statement.kind {
            let name = &function.name;
            return Err(denied(format!(
                "permission denied to create function \"{name}\""
            )));
        }
        if let StatementKind::CopyIn { table, .. } = &statement.kind {
            return Err(denied(format!("permission denied for table {table}")));
        }
        let word = statement.text.split_whitespace().next().unwrap_or_default();
        Err(SheafError::user(format!(
            "cannot execute {} in a read-only session",
            word.to_uppercase()
        ))
        .with_state(SqlState::READ_ONLY))
    }

    /// Whether a statement of this kind may run that a reader's may not: its paths are looked at when
    /// they are located, and what it creates is the session's.
    fn is_own(&self, kind: &StatementKind) -> bool {
        let Self::Beneath(roots) = self else {
            return false;
        };
        match kind {
            StatementKind::CreateView { .. }
            | StatementKind::CreateExternalTable(_)
            | StatementKind::Drop { .. } => true,
            StatementKind::Copy { .. }
            | StatementKind::CopyIn { .. }
            | StatementKind::CreateTableAs { .. } => roots.may_write(),
            StatementKind::Explain { statement, .. } | StatementKind::Prepare { statement, .. } => {
                self.is_own(&statement.kind)
            }
            _ => false,
        }
    }

    /// Checks that a statement may name `path`, in quotes or as an argument, to read it.
    ///
    /// # Errors
    /// `UserInput` (42501) if it may not.
    pub(crate) fn check_path(&self, path: &str) -> Result<()> {
        match self {
            Self::Process => return Ok(()),
            Self::Beneath(roots) => return roots.locate(path).map(drop),
            Self::NamedTables => {}
        }
        Err(
            SheafError::user(format!("permission denied for path \"{path}\""))
                .with_state(SqlState::INSUFFICIENT_PRIVILEGE)
                .with_detail("this session reads tables by their names only")
                .with_hint("SHOW TABLES lists them; text is written in single quotes in a place where a value may stand"),
        )
    }

    /// What stands for the directory of table `name` where its files are named: a session that may not
    /// name a path is not told of any.
    pub(crate) fn shown_as(&self, name: &str) -> Option<String> {
        (!self.is_process()).then(|| name.to_owned())
    }

    /// Checks that a statement may call the table function `name`.
    ///
    /// # Errors
    /// `UserInput` (42501) if it may not.
    pub(crate) fn check_table_function(&self, name: &str) -> Result<()> {
        if self.is_process() || TABLE_FUNCTIONS.contains(&name) {
            return Ok(());
        }
        Err(denied(format!("permission denied for function \"{name}\"")))
    }

    /// Checks that a statement may read the system table `schema.table`.
    ///
    /// # Errors
    /// `UserInput` (42501) if it may not.
    pub(crate) fn check_system_table(&self, schema: &str, table: &str) -> Result<()> {
        let is_listed = schema == "sheaf" && SYSTEM_TABLES.contains(&table);
        if self.is_process() || is_listed || is_open_catalog_table(schema, table) {
            return Ok(());
        }
        Err(denied(format!(
            "permission denied for table \"{schema}.{table}\""
        )))
    }

    /// Checks every node of `plan`, sub-queries included.
    ///
    /// # Errors
    /// `UserInput` (25006) if one does anything but read.
    pub(crate) fn check_plan(&self, plan: &LogicalPlan) -> Result<()> {
        if self.is_process() {
            return Ok(());
        }
        plan.apply_with_subqueries(|node| match is_reading_node(node) {
            true => Ok(TreeNodeRecursion::Continue),
            false => Err(SheafError::user("this session may only read")
                .with_state(SqlState::READ_ONLY)
                .into()),
        })?;
        Ok(())
    }

    /// Checks that a statement may give setting `name` the value `value`.
    ///
    /// # Errors
    /// `UserInput` (42501) if others would feel it, or it is beyond what the server grants.
    pub(crate) fn check_setting(&self, settings: &Settings, name: &str, value: &str) -> Result<()> {
        if self.is_process() {
            return Ok(());
        }
        let is_own = sheaf_base::settings::SETTINGS
            .iter()
            .any(|s| s.name.eq_ignore_ascii_case(name) && s.is_personal);
        // One that does not exist is not hidden, unless it is the engine's.
        let exists = settings.get(name).is_ok() || name.contains('.');
        if exists && !is_own {
            return Err(
                denied(format!("permission denied to set parameter \"{name}\"")).with_detail(
                    "only the server's command line and configuration give it a value",
                ),
            );
        }
        if name.eq_ignore_ascii_case("statement_timeout") {
            return check_timeout(settings, value);
        }
        Ok(())
    }
}

/// A timeout that the server was started with is the longest a session may ask for.
fn check_timeout(settings: &Settings, value: &str) -> Result<()> {
    let mut granted = settings.clone();
    granted.reset("statement_timeout")?;
    let (Some(ceiling), Ok(wanted)) =
        (granted.duration("statement_timeout"), parse_duration(value))
    else {
        return Ok(());
    };
    if wanted.is_zero() || wanted > ceiling {
        let text = granted.get("statement_timeout")?.0.to_owned();
        return Err(denied(format!(
            "statement_timeout cannot be longer than the server's {text}"
        )));
    }
    Ok(())
}

fn denied(message: String) -> SheafError {
    SheafError::user(message).with_state(SqlState::INSUFFICIENT_PRIVILEGE)
}

/// The statements that change nothing outside their session and name no place.
fn is_reading(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::Query(_)
        | StatementKind::Set { .. }
        | StatementKind::Reset { .. }
        | StatementKind::Show { .. }
        | StatementKind::ShowAll
        | StatementKind::ShowTables { .. }
        | StatementKind::ShowFunctions { .. }
        | StatementKind::ShowColumns { .. }
        | StatementKind::Describe(_)
        | StatementKind::Summarize(_)
        // What it runs passes the gate by itself.
        | StatementKind::Execute { .. }
        | StatementKind::Deallocate { .. } => true,
        StatementKind::Explain { statement, .. } | StatementKind::Prepare { statement, .. } => {
            is_reading(&statement.kind)
        }
        StatementKind::Native(native) => matches!(
            **native,
            ast::Statement::StartTransaction { .. }
                | ast::Statement::Commit { .. }
                | ast::Statement::Rollback { .. }
        ),
        // Their rows come of queries, which pass the gates by themselves.
        StatementKind::CopyOut { .. }
        | StatementKind::DeclareCursor { .. }
        | StatementKind::FetchCursor { .. }
        | StatementKind::CloseCursor { .. } => true,
        StatementKind::Copy { .. }
        | StatementKind::CopyIn { .. }
        | StatementKind::CreateView { .. }
        | StatementKind::CreateExternalTable(_)
        | StatementKind::CreateTableAs { .. }
        | StatementKind::Persist { .. }
        | StatementKind::Unpersist { .. }
        | StatementKind::CreateAggregate(_)
        | StatementKind::CreateFunction(_)
        // Its text may name paths.
        | StatementKind::ShowCreateFunction { .. }
        | StatementKind::DropFunction { .. }
        | StatementKind::Drop { .. }
        | StatementKind::ShowPartitions { .. }
        | StatementKind::CancelQuery { .. } => false,
    }
}

fn is_reading_node(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        // Only ours, of `sheaf-operators` and `sheaf-session`; all of them read.
        | LogicalPlan::Extension(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => true,
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => false,
    }
}

//! SET, RESET and SHOW. Short names are Sheaf's own settings; long ones (`datafusion.…`) reach the
//! engine's options.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::config::ConfigField;
use sheaf_base::error::SqlState;
use sheaf_base::settings::{Layer, Settings};
use sheaf_base::{Result, SheafError};

use super::Running;
use crate::apply::{apply_to_engine, apply_to_options, effective_value};
use crate::result::QueryResult;
use crate::session::SessionInner;

/// What the engine's own options begin with.
const ENGINE_PREFIX: &str = "datafusion.";

pub(super) fn set(running: &Running<'_>, name: &str, value: &str) -> Result<QueryResult> {
    let inner = &running.session.inner;
    inner
        .access
        .check_setting(&inner.settings.read(), name, value)?;
    if name.starts_with(ENGINE_PREFIX) {
        inner
            .state
            .write()
            .options_mut()
            .set(name, value)
            .map_err(bad_option)?;
        return Ok(running.done("SET"));
    }
    let mut settings = inner.settings.write();
    let mut changed = Settings::clone(&settings);
    changed.set(name, value, Layer::Session)?;
    apply(inner, &changed)?;
    *settings = Arc::new(changed);
    Ok(running.done("SET"))
}

pub(super) fn reset(running: &Running<'_>, name: Option<&str>) -> Result<QueryResult> {
    let inner = &running.session.inner;
    if let Some(name) = name.filter(|name| name.starts_with(ENGINE_PREFIX)) {
        inner
            .access
            .check_setting(&inner.settings.read(), name, "")?;
        inner
            .state
            .write()
            .options_mut()
            .reset(name)
            .map_err(bad_option)?;
        return Ok(running.done("RESET"));
    }
    let mut settings = inner.settings.write();
    let changed = Arc::make_mut(&mut settings);
    match name {
        Some(name) => changed.reset(name)?,
        None => changed.reset_all(),
    }
    apply(inner, &settings)?;
    Ok(running.done("RESET"))
}

/// Only a session with the rights of the process may change what others feel: it would undo what
/// another has set meanwhile.
fn apply(inner: &SessionInner, settings: &Settings) -> Result<()> {
    if inner.access.is_process() {
        apply_to_engine(settings, &inner.engine);
        inner.languages.apply(settings);
    }
    apply_to_options(settings, inner.state.write().options_mut())
}

pub(super) fn show(running: &Running<'_>, name: &str) -> Result<QueryResult> {
    let value = if name.starts_with(ENGINE_PREFIX) {
        let state = running.session.inner.state.read();
        let entry = state
            .config()
            .options()
            .entries()
            .into_iter()
            .find(|e| e.key == name);
        entry.and_then(|e| e.value).ok_or_else(|| {
            SheafError::user(format!("there is no setting \"{name}\""))
                .with_state(SqlState::UNDEFINED_OBJECT)
        })?
    } else {
        let inner = &running.session.inner;
        let settings = inner.settings.read();
        let value = settings.get(name)?.0;
        effective_value(name, value, &inner.engine, inner.state.read().config())
    };
    rows(running, &[name], vec![vec![value]])
}

pub(super) fn show_all(running: &Running<'_>) -> Result<QueryResult> {
    let inner = &running.session.inner;
    let settings = inner.settings.read();
    let state = inner.state.read();
    let all = settings.iter().map(|(setting, value, layer)| {
        vec![
            setting.name.to_owned(),
            effective_value(setting.name, value, &inner.engine, state.config()),
            layer.name().to_owned(),
            setting.doc.to_owned(),
        ]
    });
    rows(
        running,
        &["name", "value", "source", "description"],
        all.collect(),
    )
}

/// A result of text columns.
pub(super) fn rows(
    running: &Running<'_>,
    names: &[&str],
    rows: Vec<Vec<String>>,
) -> Result<QueryResult> {
    let columns = names.iter().enumerate().map(|(index, name)| {
        let values = rows
            .iter()
            .map(|row| row.get(index).cloned().unwrap_or_default());
        (
            *name,
            Arc::new(StringArray::from_iter_values(values)) as ArrayRef,
        )
    });
    let batch = RecordBatch::try_from_iter(columns)?;
    Ok(QueryResult::batch(batch, Arc::clone(running.query)))
}

fn bad_option(error: datafusion::error::DataFusionError) -> SheafError {
    SheafError::from(error).with_state(SqlState::INVALID_PARAMETER_VALUE)
}

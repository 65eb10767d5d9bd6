//! What a session has of the engine's: functions and rules, which all sessions of a process share until
//! one of them gets functions of its own, and options, which each has for itself.
//!
//! The shared part is the large one, some 140 KB: it is what an idle connection would cost.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::execution::SessionState;
use datafusion::prelude::SessionConfig;

/// The engine's part of a session. Clones share all of it, until one is changed.
#[derive(Clone)]
pub(crate) struct EngineState {
    functions: Arc<SessionState>,
    config: SessionConfig,
}

impl EngineState {
    /// Begins with functions, rules and options of `state`.
    pub(crate) fn new(state: SessionState) -> Self {
        Self {
            config: state.config().clone(),
            functions: Arc::new(state),
        }
    }

    /// Functions and rules. Its options and its catalogues are nobody's.
    pub(crate) fn functions(&self) -> &Arc<SessionState> {
        &self.functions
    }

    /// The same, to be changed: from then on they are this session's own.
    pub(crate) fn functions_mut(&mut self) -> &mut SessionState {
        Arc::make_mut(&mut self.functions)
    }

    pub(crate) fn config(&self) -> &SessionConfig {
        &self.config
    }

    pub(crate) fn options_mut(&mut self) -> &mut ConfigOptions {
        self.config.options_mut()
    }

    /// All of it for one statement, which may change it as it likes.
    pub(crate) fn for_statement(&self) -> SessionState {
        let mut state = SessionState::clone(&self.functions);
        state.config_mut().clone_from(&self.config);
        state
    }
}

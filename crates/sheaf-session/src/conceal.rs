//! Where files lie, taken out of what a session is told that may name no paths.
//!
//! Files of named tables are called by the table's name from the start (`ReadRequest::shown_as`). What
//! the engine and the operating system say of them (messages, plans) names their places all the same;
//! here those are replaced, as the last thing before a text leaves.

use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use sheaf_base::SheafError;

use crate::catalog::{Catalog, Relation};
use crate::session::{Session, SessionInner};

/// Takes the places of files out of texts.
#[derive(Clone)]
pub(crate) struct Concealer(Option<Arc<SessionInner>>);

impl Session {
    /// What the texts of this session's statements go through.
    pub(crate) fn concealer(&self) -> Concealer {
        let is_limited = self.inner.access.shown_as("").is_some();
        Concealer(is_limited.then(|| Arc::clone(&self.inner)))
    }

    /// The directories of named tables, without the first slash, the longest first, and their names.
    fn places(&self, catalog: &Catalog) -> Vec<(String, String)> {
        let mut places = vec![];
        for (name, relation) in catalog.list() {
            let Relation::Files(files) = relation else {
                continue;
            };
            for path in &files.request.paths {
                let location = match &files.request.roots {
                    Some(roots) => roots.locate(path),
                    None => self.locate(path),
                };
                let Ok(location) = location else {
                    continue;
                };
                let directory = location.directory().trim_matches('/');
                if !directory.is_empty() {
                    places.push((directory.to_owned(), name.clone()));
                }
            }
        }
        places.sort_by_key(|(directory, _)| std::cmp::Reverse(directory.len()));
        places
    }
}

impl Concealer {
    /// The text without places of files.
    pub(crate) fn text(&self, text: &str) -> String {
        let Some(inner) = &self.0 else {
            return text.to_owned();
        };
        let session = Session {
            inner: Arc::clone(inner),
        };
        let mut shown = text.to_owned();
        for (directory, name) in session.places(&inner.catalog) {
            for place in [format!("file:///{directory}"), format!("/{directory}")] {
                shown = shown.replace(&place, &name);
            }
            // Plans leave out the first slash.
            shown = shown.replace(&format!("{directory}/"), &format!("{name}/"));
        }
        shown
    }

    /// The stream, whose errors are without places of files.
    pub(crate) fn stream(self, stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
        if self.0.is_none() {
            return stream;
        }
        let schema = stream.schema();
        let stream = stream.map_err(move |error| self.error(SheafError::from(error)).into());
        Box::pin(RecordBatchStreamAdapter::new(schema, stream))
    }

    /// The error without places of files.
    pub(crate) fn error(&self, error: SheafError) -> SheafError {
        match self.0 {
            Some(_) => error.map_texts(|text| self.text(text)),
            None => error,
        }
    }
}

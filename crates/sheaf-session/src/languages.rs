//! The languages in which functions can be written, besides SQL: one visible list.

use std::collections::BTreeMap;
use std::sync::Arc;

use sheaf_base::settings::Settings;
use sheaf_base::{Result, SheafError};
use sheaf_python::{Python, PythonOptions};
use sheaf_udf::Language;
use sheaf_wasm::Wasm;

/// The languages that every session has, by the names that `LANGUAGE` calls them.
fn languages() -> Vec<(&'static str, Arc<dyn Language>)> {
    vec![
        ("wasm", Arc::new(Wasm)),
        ("python", Arc::new(Python::new(PythonOptions::default()))),
    ]
}

/// The languages of a session, and of its siblings.
#[derive(Debug, Clone)]
pub(crate) struct Languages(BTreeMap<String, Arc<dyn Language>>);

impl Default for Languages {
    fn default() -> Self {
        let named = languages().into_iter();
        Self(
            named
                .map(|(name, language)| (name.to_owned(), language))
                .collect(),
        )
    }
}

impl Languages {
    /// Adds a language, or puts it in the place of the one of that name.
    pub(crate) fn add(&mut self, name: &str, language: Arc<dyn Language>) {
        self.0.insert(name.to_lowercase(), language);
    }

    /// Tells the languages what `settings` say of them.
    pub(crate) fn apply(&self, settings: &Settings) {
        for language in self.0.values() {
            language.apply(settings);
        }
    }

    /// The language called `name`, in lower case.
    ///
    /// # Errors
    /// `Unsupported` if there is none.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<dyn Language>> {
        let found = self.0.get(name).map(Arc::clone);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let hint = match names.as_slice() {
                [] => "LANGUAGE sql is the only one".to_owned(),
                names => format!("there are LANGUAGE sql and {}", names.join(", ")),
            };
            SheafError::unsupported(format!("there are no functions in LANGUAGE {name}"))
                .with_hint(hint)
        })
    }
}

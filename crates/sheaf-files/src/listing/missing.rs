//! Errors for paths that name nothing: what is there instead.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;

use crate::stores::Location;

/// `no such file: slaes.csv`, with the nearest name of its directory.
pub(super) async fn no_such_file(location: &Location, store: &Arc<dyn ObjectStore>) -> SheafError {
    let local = location.local_path();
    let is_directory = local.as_ref().is_some_and(|path| path.is_dir());
    if is_directory {
        return SheafError::user(format!("directory {} holds no files", location.text))
            .with_state(SqlState::UNDEFINED_FILE)
            .with_hint("hidden files, files that begin with _ and empty files are not read");
    }
    let error = SheafError::user(format!("no such file: {}", location.text))
        .with_state(SqlState::UNDEFINED_FILE);
    let (directory, name) = match location.path.trim_end_matches('/').rsplit_once('/') {
        Some((directory, name)) => (directory, name),
        None => ("", location.path.as_str()),
    };
    let written_directory = location
        .text
        .trim_end_matches('/')
        .rsplit_once('/')
        .map(|(d, _)| d);
    if let Some(written) = written_directory
        && local.is_some_and(|path| path.parent().is_some_and(|parent| !parent.is_dir()))
    {
        return error.with_hint(format!("there is no directory {written}"));
    }
    let names = if location.can_list() {
        names_in(store, directory).await
    } else {
        vec![]
    };
    let prefix = written_directory.map_or(String::new(), |written| format!("{written}/"));
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.with_hint(format!("did you mean \"{prefix}{near}\"?")),
        None => error,
    }
}

/// `no file matches "logs/*.csv"`, with what the directory holds.
pub(super) async fn no_match(location: &Location, store: &Arc<dyn ObjectStore>) -> SheafError {
    let error = SheafError::user(format!("no file matches \"{}\"", location.text))
        .with_state(SqlState::UNDEFINED_FILE);
    let base: Vec<&str> = location
        .path
        .split('/')
        .take_while(|segment| !segment.contains(['*', '?', '[', '{']))
        .collect();
    let directory = base.join("/");
    if location.local_path().is_some() && !std::path::Path::new(&format!("/{directory}")).is_dir() {
        return error.with_hint(format!("there is no directory /{directory}"));
    }
    let names = names_in(store, &directory).await;
    match names.first() {
        Some(name) => error.with_hint(format!(
            "the directory holds {} other name{}, such as {name}",
            names.len(),
            if names.len() == 1 { "" } else { "s" }
        )),
        None => error.with_hint("the directory is empty"),
    }
}

/// Names of files and directories right within `directory`; none if it cannot be listed.
async fn names_in(store: &Arc<dyn ObjectStore>, directory: &str) -> Vec<String> {
    let Ok(directory) = Path::parse(directory) else {
        return vec![];
    };
    let Ok(listed) = store.list_with_delimiter(Some(&directory)).await else {
        return vec![];
    };
    let files = listed.objects.into_iter().map(|meta| meta.location);
    let mut names: Vec<String> = files
        .chain(listed.common_prefixes)
        .filter_map(|path| path.filename().map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

//! Arrays in HDF5 files: datasets of whole numbers, floats, booleans and complex numbers as h5py writes them,
//! contiguous or in chunks, packed or not. The library that decodes them reads through [`Objects`].

mod dataset;
mod ranges;

use std::sync::Arc;

use hdf5_reader::error::Error;
use hdf5_reader::{Hdf5File, OpenOptions};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::objects::{Objects, always};
use crate::store::Array;
use dataset::Hdf5;
use ranges::{Failure, Ranges, reading};

/// Bytes that a chunk of a dataset may have; they are reserved when it is read.
const CHUNK_BYTES_MAX: usize = 1 << 30;
/// Bytes that the description of a dataset may have.
const HEADER_BYTES_MAX: usize = 16 << 20;
/// Bytes that are read at once of what is no data: descriptions and indexes.
const INDEX_BYTES_MAX: usize = 64 << 20;
/// Datasets that are listed, and groups that are looked into for them.
const NAMES_MAX: usize = 10_000;
/// Groups within groups.
const DEPTH_MAX: usize = 32;
/// Names that an error lists.
const NAMES_LISTED_MAX: usize = 20;

/// The paths of the datasets in the HDF5 file `file`, also of those in groups, whatever their types.
///
/// # Errors
/// `UserInput` if there is no such file; `Data` if it is no HDF5 file; `Resource` for more than 10,000
/// datasets or groups.
pub fn list_hdf5(file: Arc<dyn Objects>) -> Result<Vec<String>> {
    let name = file.name();
    let opened = open(file)?;
    list(&opened, &name)
}

/// An array of the HDF5 file `file`: the dataset at the path `name`, or the only one. In chunks of `chunk`
/// elements per axis, or of as many of its own as make a block of the usual size.
///
/// # Memory
/// 4 MiB of descriptions and indexes. A chunk of the dataset is reserved three times while it is decoded.
/// # Errors
/// `UserInput` if there is no such file or dataset, or there are several and no name is given: it lists
/// them; `Data` if the file is wrong; `Unsupported` for types, filters and layouts that are not read.
pub fn read_hdf5(
    file: Arc<dyn Objects>,
    name: Option<&str>,
    chunk: Option<&[u64]>,
) -> Result<Array> {
    let called = file.name();
    let opened = open(file)?;
    let path = match name {
        Some(name) => name.trim_matches('/').to_owned(),
        None => only(&called, list(&opened, &called)?)?,
    };
    let dataset = reading(&called, None, INDEX_BYTES_MAX, || opened.dataset(&path));
    let dataset = dataset.map_err(|failure| match failure {
        Failure::Missing => missing(&called, &path, &list(&opened, &called).unwrap_or_default()),
        Failure::Error(error) => error,
    })?;
    Hdf5::array(&format!("{called}/{path}"), opened, dataset, chunk)
}

fn open(file: Arc<dyn Objects>) -> Result<Arc<Hdf5File>> {
    let name = file.name();
    let size = file.size("", &always)?.ok_or_else(|| {
        SheafError::user(format!("there is no file {name}")).with_state(SqlState::UNDEFINED_FILE)
    })?;
    let options = OpenOptions {
        // Chunks are decoded once, by whom they are needed.
        chunk_cache_bytes: 0,
        max_chunk_bytes: CHUNK_BYTES_MAX,
        max_object_header_bytes: HEADER_BYTES_MAX,
        ..OpenOptions::default()
    };
    let storage = Ranges::storage(file, size);
    let opened = reading(&name, None, INDEX_BYTES_MAX, || {
        Hdf5File::from_storage_with_options(storage, options)
    });
    Ok(Arc::new(
        opened.map_err(|failure| failure.into_error(&name))?,
    ))
}

fn list(file: &Hdf5File, name: &str) -> Result<Vec<String>> {
    let wrong = |failure: Failure| failure.into_error(name);
    let mut names = Vec::new();
    let mut seen = Vec::new();
    let root = reading(name, None, INDEX_BYTES_MAX, || file.root_group());
    let mut groups = vec![(String::new(), 0, root.map_err(wrong)?)];
    while let Some((path, depth, group)) = groups.pop() {
        // A group may be in several others, and in itself.
        if depth > DEPTH_MAX || seen.contains(&group.address()) {
            continue;
        }
        seen.push(group.address());
        let members = reading(name, None, INDEX_BYTES_MAX, || {
            let (inner, datasets) = group.member_names()?;
            let inner = inner.into_iter().map(|name| {
                let inner = group.group(&name)?;
                Ok::<_, Error>((name, inner))
            });
            Ok((inner.collect::<Result<Vec<_>, _>>()?, datasets))
        });
        let (inner, datasets) = members.map_err(wrong)?;
        names.extend(datasets.into_iter().map(|name| format!("{path}{name}")));
        let inner = inner.into_iter();
        groups.extend(inner.map(|(name, group)| (format!("{path}{name}/"), depth + 1, group)));
        if names.len() > NAMES_MAX || seen.len() + groups.len() > NAMES_MAX {
            return Err(SheafError::resource(format!(
                "{name} has too many datasets or groups to list"
            )));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn only(file: &str, names: Vec<String>) -> Result<String> {
    let list = listed(&names);
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) if names.is_empty() => Err(SheafError::data(format!("{file} has no datasets"))),
        Err(names) => Err(
            SheafError::user(format!("{file} has {} datasets: {list}", names.len()))
                .with_hint("give the path of one"),
        ),
    }
}

fn missing(file: &str, path: &str, names: &[String]) -> SheafError {
    SheafError::user(format!("{file} has no dataset '{path}'"))
        .with_state(SqlState::UNDEFINED_OBJECT)
        .with_hint(format!("its datasets are {}", listed(names)))
}

fn listed(names: &[String]) -> String {
    let mut list = names[..names.len().min(NAMES_LISTED_MAX)].join(", ");
    if names.len() > NAMES_LISTED_MAX {
        list.push_str(", …");
    }
    list
}

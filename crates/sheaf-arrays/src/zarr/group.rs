//! Groups: directories of arrays and of other groups. Where a group tells of all that is in it at once (its
//! consolidated metadata), that is believed; else its directories are looked into.

use serde_json::Value;
use sheaf_base::{Result, SheafError};

use super::{V2_ARRAY, V3};
use crate::objects::{DESCRIPTION_BYTES_MAX, Objects, always};

/// Arrays that are listed, and directories that are looked into for them.
const ARRAYS_MAX: usize = 10_000;
const DIRECTORIES_MAX: usize = 10_000;
/// Groups within groups.
const DEPTH_MAX: usize = 16;
/// Names that an error lists.
const NAMES_LISTED_MAX: usize = 20;

/// The consolidated metadata of version 2.
const V2_ALL: &str = ".zmetadata";

/// The names of the arrays in the group whose objects these are, also of those in groups within it, as they
/// are read when added to its path. Of what is no group there are none.
///
/// # Errors
/// `Data` if a description is unreadable; `Resource` for more than 10,000 arrays or directories.
pub fn list_zarr(objects: &dyn Objects) -> Result<Vec<String>> {
    let mut names = match consolidated(objects)? {
        Some(names) => names,
        None => searched(objects)?,
    };
    if names.len() > ARRAYS_MAX {
        return Err(too_many(objects, "arrays"));
    }
    names.sort_unstable();
    Ok(names)
}

fn too_many(objects: &dyn Objects, what: &str) -> SheafError {
    SheafError::resource(format!("{} has too many {what} to list", objects.name()))
}

/// Whether a description of version 3 is that of a group.
pub(super) fn is_group(text: &[u8]) -> bool {
    let value = serde_json::from_slice::<Value>(text);
    value.is_ok_and(|value| value["node_type"].as_str() == Some("group"))
}

/// The error for a group in the place of an array.
pub(super) fn refused(objects: &dyn Objects) -> SheafError {
    let name = objects.name();
    let error = SheafError::user(format!("{name} is a Zarr group, and not an array"));
    let names = list_zarr(objects).unwrap_or_default();
    if names.is_empty() {
        return error.with_hint("name one of the arrays in it");
    }
    let listed = names.iter().take(NAMES_LISTED_MAX);
    let mut list: Vec<String> = listed.map(|array| format!("{name}/{array}")).collect();
    if names.len() > NAMES_LISTED_MAX {
        list.push("…".to_owned());
    }
    error.with_hint(format!("name one of the arrays in it: {}", list.join(", ")))
}

fn described(objects: &dyn Objects, key: &str) -> Result<Option<Value>> {
    let Some(text) = objects.get(key, DESCRIPTION_BYTES_MAX, &always)? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&text).map_err(|error| {
        SheafError::data(format!(
            "{}/{key} is no description: {error}",
            objects.name()
        ))
    })?;
    Ok(Some(value))
}

/// What a group tells of itself.
fn consolidated(objects: &dyn Objects) -> Result<Option<Vec<String>>> {
    if let Some(value) = described(objects, V3)? {
        let nodes = value["consolidated_metadata"]["metadata"].as_object();
        let is_array = |node: &Value| node["node_type"].as_str() == Some("array");
        return Ok(nodes.map(|nodes| {
            let arrays = nodes.iter().filter(|(_, node)| is_array(node));
            arrays.map(|(name, _)| name.clone()).collect()
        }));
    }
    let Some(value) = described(objects, V2_ALL)? else {
        return Ok(None);
    };
    let array = |key: &String| Some(key.strip_suffix(V2_ARRAY)?.strip_suffix('/')?.to_owned());
    let nodes = value["metadata"].as_object();
    Ok(nodes.map(|nodes| nodes.keys().filter_map(array).collect()))
}

/// What is found in the directories of a group.
fn searched(objects: &dyn Objects) -> Result<Vec<String>> {
    let mut arrays = Vec::new();
    let mut looked_into = 0;
    let mut groups = vec![(String::new(), 0)];
    while let Some((group, depth)) = groups.pop() {
        let (_, directories) = objects.names(&group, &always)?;
        for directory in directories {
            looked_into += 1;
            if looked_into > DIRECTORIES_MAX {
                return Err(too_many(objects, "directories"));
            }
            let path = match group.as_str() {
                "" => directory,
                group => format!("{group}/{directory}"),
            };
            let key = |name: &str| format!("{path}/{name}");
            let v3 = described(objects, &key(V3))?;
            let is_group = v3
                .as_ref()
                .is_some_and(|value| value["node_type"].as_str() == Some("group"));
            if is_group || (v3.is_none() && is_v2_group(objects, &path)?) {
                if depth < DEPTH_MAX {
                    groups.push((path, depth + 1));
                }
            } else if v3.is_some() || objects.size(&key(V2_ARRAY), &always)?.is_some() {
                arrays.push(path);
            }
        }
    }
    Ok(arrays)
}

fn is_v2_group(objects: &dyn Objects, path: &str) -> Result<bool> {
    let key = format!("{path}/{}", super::V2_GROUP);
    Ok(objects.size(&key, &always)?.is_some())
}

//! Files: what is wrong with them, what is written where, and what becomes of it.

mod hdf5;
mod npy;
mod targets;
mod zarr;

use std::path::Path;

use super::*;

fn local(path: &Path) -> Arc<dyn Objects> {
    Arc::new(LocalObjects::new(path))
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().message().to_owned()
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

//! Files of arrays.

use std::sync::Arc;

use sheaf_array_relations::Arguments;
use sheaf_arrays::{
    Array, LocalObjects, Objects, StoreObjects, read_hdf5, read_npy, read_npy_stack, read_npz,
    read_zarr,
};
use sheaf_base::{Result, SheafError};
use sheaf_files::stores::{Location, ensure_store, locate};

use crate::binder::Binder;

/// Which function reads which files, by the ends of their names.
const READERS: &[(&str, &str)] = &[
    (".zarr", "read_zarr"),
    (".npy", "read_npy"),
    (".npz", "read_npz"),
    (".h5", "read_hdf5"),
    (".hdf5", "read_hdf5"),
];

/// The function that reads the array at `path`, as far as its name tells.
pub(in crate::binder) fn reader_of(path: &str) -> Option<&'static str> {
    let path = path.trim_end_matches('/').to_lowercase();
    let found = READERS.iter().find(|(end, _)| path.ends_with(end));
    found.map(|(_, reader)| *reader)
}

impl Binder<'_> {
    /// The array that the arguments of `reader` name.
    ///
    /// # Errors
    /// `UserInput` if the session may not read it; those of reading what it says of itself.
    pub(super) async fn open_array(
        self,
        reader: &'static str,
        arguments: &Arguments<'_>,
    ) -> Result<Array> {
        let path = arguments.text_of("path")?;
        self.access.check_path(&path)?;
        let objects = self.objects(&path)?;
        let name = arguments.text("name")?;
        let dataset = arguments.text("dataset")?;
        let axis = arguments.int("axis")?.unwrap_or(0);
        let open = move || match reader {
            "read_zarr" => read_zarr(objects),
            "read_npy" => read_npy(objects, None),
            "read_npz" => read_npz(objects, name.as_deref(), None),
            "read_npy_stack" => read_npy_stack(objects, axis),
            "read_hdf5" => read_hdf5(objects, dataset.as_deref(), None),
            other => Err(SheafError::internal(format!("{other} reads no arrays"))),
        };
        // It waits for what it reads.
        let opened = self.io.spawn_blocking(open).await;
        opened.map_err(|error| SheafError::internal(format!("{path} cannot be opened: {error}")))?
    }

    /// The objects at a path that the session may read.
    fn objects(self, path: &str) -> Result<Arc<dyn Objects>> {
        let environment = |name: &str| {
            let found = self.environment.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        };
        let location: Location = match self.access.roots() {
            Some(roots) => roots.locate(path)?,
            None => locate(path, &std::env::current_dir()?, &environment)?,
        };
        if let (Some(local), None) = (location.local_path(), self.access.roots()) {
            return Ok(Arc::new(LocalObjects::new(&local)));
        }
        let store = ensure_store(
            &location,
            self.state.runtime_env(),
            &environment,
            Some(self.io),
        )?;
        let path = location.object_path()?;
        Ok(Arc::new(StoreObjects::new(
            store,
            path,
            &location.text,
            self.io.clone(),
        )))
    }
}

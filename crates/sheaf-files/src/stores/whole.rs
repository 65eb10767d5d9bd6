//! Small files that are read whole: code, not rows.

use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStoreExt;
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, Result, SheafError};

use super::Location;

/// The bytes of the file at `location`, whose store is at hand in `runtime`; at most `bytes_max` of them.
///
/// # Errors
/// `UserInput` (58P01) if there is no file; `Resource` (54000) if it is larger; `Data` if it cannot be
/// read.
pub async fn read_whole(
    location: &Location,
    runtime: &RuntimeEnv,
    bytes_max: ByteCount,
) -> Result<Vec<u8>> {
    let text = &location.text;
    let named = |error: object_store::Error| match error {
        object_store::Error::NotFound { .. } => {
            SheafError::user(format!("there is no file '{text}'"))
                .with_state(SqlState::UNDEFINED_FILE)
        }
        other => SheafError::from(other).with_context(format!("'{text}'")),
    };
    let store = runtime.object_store(&location.store_url)?;
    let path = location.object_path()?;
    let size = store.head(&path).await.map_err(named)?.size;
    if size > bytes_max.0 {
        let size = ByteCount(size);
        return Err(SheafError::resource(format!(
            "the file '{text}' has {size}, and may have {bytes_max}"
        ))
        .with_state(SqlState::PROGRAM_LIMIT));
    }
    // What has grown meanwhile is not read.
    let bytes = match size {
        0 => Vec::new(),
        size => store.get_range(&path, 0..size).await.map_err(named)?.into(),
    };
    Ok(bytes)
}

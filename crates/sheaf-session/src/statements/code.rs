//! The code of a function in another language than SQL: which language, and where the code is.

use std::sync::Arc;

use datafusion::execution::SessionState;
use sheaf_base::{ByteCount, Result, SheafError};
use sheaf_files::stores::read_whole;
use sheaf_sql::FunctionCode;
use sheaf_udf::{Code, Language};

use super::Running;

/// Bytes that a file with code may have.
const CODE_BYTES_MAX: ByteCount = ByteCount(64 * 1024 * 1024);

/// The language of `written`, and its code: a file is read whole.
///
/// # Errors
/// `Unsupported` if there is no such language; `UserInput` (42501) if the session may not read the file,
/// (58P01) if there is none; `Resource` (54000) if it is too large.
pub(super) async fn read(
    running: &Running<'_>,
    state: &SessionState,
    written: &FunctionCode,
) -> Result<(Arc<dyn Language>, Code)> {
    let place = |error: SheafError| error.with_position(written.position);
    let languages = &running.session.inner.languages;
    let language = languages.get(&written.language).map_err(place)?;
    let code = match written.is_file {
        true => file(running, state, &written.text).await.map_err(place)?,
        false => Code {
            bytes: written.text.as_bytes().into(),
            entry: None,
            file: None,
        },
    };
    Ok((language, code))
}

/// `path#name`: a function in a file.
async fn file(running: &Running<'_>, state: &SessionState, text: &str) -> Result<Code> {
    let (path, entry) = match text.rsplit_once('#') {
        Some((path, entry)) if !entry.is_empty() => (path, Some(entry.to_owned())),
        _ => (text, None),
    };
    running.session.inner.access.check_path(path)?;
    let location = running.session.locate(path)?;
    let bytes = read_whole(&location, state.runtime_env(), CODE_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| match error.hint() {
        None => {
            error.with_hint("single quotes name a file; code itself stands in dollars: AS $$…$$")
        }
        Some(_) => error,
    })?;
    Ok(Code {
        bytes: bytes.into(),
        entry,
        file: Some(path.to_owned()),
    })
}

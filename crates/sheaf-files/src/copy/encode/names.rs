//! Compressions by the names that the option `compression` of COPY takes, whatever the format.

use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

/// The names of a compression; the first is the documentation's.
pub(super) type Names = &'static [&'static str];

/// The one of `known` that `name` names, in any case.
///
/// # Errors
/// `UserInput` for an unknown name.
pub(super) fn by_name<T>(name: &str, known: impl Iterator<Item = (T, Names)> + Clone) -> Result<T> {
    let lower = name.to_ascii_lowercase();
    let mut all = known.clone();
    if let Some((found, _)) = all.find(|(_, names)| names.contains(&lower.as_str())) {
        return Ok(found);
    }
    let names = || {
        known
            .clone()
            .filter_map(|(_, names)| names.first().copied())
    };
    let hint = match nearest(&lower, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(SheafError::user(format!("unknown compression \"{name}\"")).with_hint(hint))
}

//! Calls of functions, with their panics and errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// What `call`, which calls into the function of that name, gives; its errors name the function, and a
/// panic is an error. What the function holds is not called again then: the query has failed.
///
/// # Errors
/// Those of `call`; `Data` (38000) if it panics.
pub fn guarded<T>(function: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    let result = result.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    result.map_err(|error| named(function, error))
}

/// `error`, which names the function.
#[must_use]
pub fn named(function: &str, error: SheafError) -> SheafError {
    let context = format!("function \"{function}\"");
    match error.message().starts_with(&context) {
        true => error,
        false => error.with_context(context),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> SheafError {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    let message = message.unwrap_or_else(|| "it does not say why".to_owned());
    SheafError::data(format!("it panicked: {message}")).with_state(SqlState::EXTERNAL_ROUTINE)
}

#[cfg(test)]
mod tests {
    use sheaf_base::SheafError;
    use sheaf_base::error::SqlState;

    use super::guarded;

    #[test]
    fn errors_and_panics_name_the_function() {
        assert_eq!(guarded("f", || Ok(3)).unwrap(), 3);
        let error = guarded::<()>("f", || Err(SheafError::data("no"))).unwrap_err();
        assert_eq!(error.message(), "function \"f\": no");
        let error = guarded::<()>("f", || panic!("{} is too many", 4)).unwrap_err();
        assert_eq!(
            error.message(),
            "function \"f\": it panicked: 4 is too many"
        );
        assert_eq!(error.state(), SqlState::EXTERNAL_ROUTINE);
    }
}

//! Who may connect and as what: users with their roles ([`users`]), the proof that one knows a
//! password ([`scram`]) and talks to this server ([`binding`]), and waiting times for those who guess
//! ([`backoff`]).

pub(crate) mod backoff;
pub(crate) mod binding;
pub(crate) mod scram;
mod users;

pub use scram::Verifier;
pub use users::{Role, Users};

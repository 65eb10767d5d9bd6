//! The messages of protocol 3.0, as <https://www.postgresql.org/docs/18/protocol-message-formats.html>
//! has them: [`frontend`] reads what clients send, [`backend`] writes what they are sent.

pub(crate) mod backend;
pub(crate) mod frontend;

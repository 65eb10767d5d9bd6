//! Object stores: which schemes a path may have, and the store behind each bucket or host.
//!
//! The session turns every path of a statement into a [`Location`] and calls [`ensure_store`]
//! before anything is listed, read or written; from then on the engine finds the store by the
//! location's [`Location::store_url`], in the registry of the session. This module reads no
//! environment of its own: the session hands in the look-up. It must not know of formats, tables or
//! statements.

mod azure;
mod beneath;
mod gcs;
mod http;
mod location;
mod s3;
#[cfg(test)]
mod tests;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::client::SpawnedReqwestConnector;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;

pub use beneath::{Root, Roots};
pub use location::{Location, locate, percent_decode, percent_encode};
pub use whole::read_whole;

/// A look-up of one environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How often a failed request to a remote store is sent again.
pub const REQUEST_RETRIES_MAX: usize = 5;
/// No retry starts later than this after a request's first try.
pub const REQUEST_RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
pub const REQUEST_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long a connection may take to open.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one request may take, its body included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// What kind of store answers a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// The file system of this machine.
    Local,
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage and Data Lake Storage.
    Azure,
    /// A web server: single objects, read only.
    Http,
    /// A directory of this machine, out of which no path leads.
    Beneath,
}

/// One scheme that a path may begin with.
#[derive(Debug, PartialEq, Eq)]
pub struct SchemeDecl {
    /// The scheme as users write it, without `://`.
    pub name: &'static str,
    /// The scheme stores are registered under; aliases share their stores.
    pub canonical: &'static str,
    /// What answers it.
    pub kind: StoreKind,
    /// One line for the documentation, with the variables that configure it.
    pub doc: &'static str,
}

/// Every scheme, in the order of the documentation.
pub static SCHEMES: &[SchemeDecl] = &[
    SchemeDecl {
        name: "file",
        canonical: "file",
        kind: StoreKind::Local,
        doc: "a file of this machine; the same as its absolute path",
    },
    SchemeDecl {
        name: "s3",
        canonical: "s3",
        kind: StoreKind::S3,
        doc: "s3://bucket/key; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, \
              AWS_REGION, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP, AWS_SKIP_SIGNATURE",
    },
    SchemeDecl {
        name: "s3a",
        canonical: "s3",
        kind: StoreKind::S3,
        doc: "Hadoop's name for s3",
    },
    SchemeDecl {
        name: "gs",
        canonical: "gs",
        kind: StoreKind::Gcs,
        doc: "gs://bucket/object; GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_SERVICE_ACCOUNT_KEY, \
              GOOGLE_SKIP_SIGNATURE",
    },
    SchemeDecl {
        name: "gcs",
        canonical: "gs",
        kind: StoreKind::Gcs,
        doc: "another name for gs",
    },
    SchemeDecl {
        name: "az",
        canonical: "az",
        kind: StoreKind::Azure,
        doc: "az://container/blob; AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, \
              AZURE_STORAGE_SAS_TOKEN or a service principal; AZURE_STORAGE_CONNECTION_STRING",
    },
    SchemeDecl {
        name: "azure",
        canonical: "az",
        kind: StoreKind::Azure,
        doc: "another name for az",
    },
    SchemeDecl {
        name: "abfs",
        canonical: "az",
        kind: StoreKind::Azure,
        doc: "abfs://container@account.dfs.core.windows.net/blob, or as az",
    },
    SchemeDecl {
        name: "abfss",
        canonical: "az",
        kind: StoreKind::Azure,
        doc: "as abfs, over TLS (which is always used)",
    },
    SchemeDecl {
        name: "adl",
        canonical: "az",
        kind: StoreKind::Azure,
        doc: "the older name of Data Lake Storage",
    },
    SchemeDecl {
        name: "https",
        canonical: "https",
        kind: StoreKind::Http,
        doc: "one object of a web server; no globs, no writing",
    },
    SchemeDecl {
        name: "http",
        canonical: "http",
        kind: StoreKind::Http,
        doc: "as https, in the clear",
    },
];

/// The store of `location`, registered in `runtime` on the first call for its bucket or host.
///
/// No request is sent: wrong credentials show on the first read or write. The store of a bucket
/// keeps the credentials it was first registered with, so `runtime` is one session's. Requests run
/// on `io` if it is given.
///
/// # Errors
/// `UserInput` if the environment lacks credentials; the hint names the variables to set.
pub fn ensure_store(
    location: &Location,
    runtime: &RuntimeEnv,
    environment: Environment<'_>,
    io: Option<&Handle>,
) -> Result<Arc<dyn ObjectStore>> {
    if let Ok(store) = runtime.object_store(&location.store_url) {
        return Ok(store);
    }
    let store = match location.scheme.kind {
        StoreKind::Local => Arc::new(object_store::local::LocalFileSystem::new()),
        StoreKind::S3 => s3::build(location, environment, io)?,
        StoreKind::Gcs => gcs::build(location, environment, io)?,
        StoreKind::Azure => azure::build(location, environment, io)?,
        StoreKind::Http => http::build(location, io)?,
        StoreKind::Beneath => beneath::build(location)?,
    };
    runtime.register_object_store(location.store_url.as_ref(), Arc::clone(&store));
    Ok(store)
}

/// Sends the requests of every remote store on `io`.
fn connector(io: &Handle) -> SpawnedReqwestConnector {
    SpawnedReqwestConnector::new(io.clone())
}

/// The retries of every remote store.
fn retry_config() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            max_backoff: REQUEST_BACKOFF_MAX,
            ..BackoffConfig::default()
        },
        max_retries: REQUEST_RETRIES_MAX,
        retry_timeout: REQUEST_RETRY_TIMEOUT,
    }
}

/// The timeouts of every remote store.
fn client_options() -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
}

/// A variable that is set and not empty.
fn variable(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}

/// Whether a variable is set to something that means yes.
fn is_true(environment: Environment<'_>, name: &str) -> bool {
    variable(environment, name)
        .is_some_and(|value| matches!(value.to_lowercase().as_str(), "1" | "true" | "yes" | "on"))
}

/// A builder of `object_store` refused its configuration.
fn refused(location: &Location, error: &object_store::Error) -> SheafError {
    SheafError::user(format!(
        "cannot use {}: {error}",
        location.store_url.as_str()
    ))
    .with_hint(format!("{}: {}", location.scheme.name, location.scheme.doc))
}

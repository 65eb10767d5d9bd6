//! Google Cloud Storage, from the `GOOGLE_…` variables.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;

use super::{
    Environment, Location, client_options, connector, is_true, refused, retry_config, variable,
};

/// The variables that are handed to the store.
const VARIABLES: &[&str] = &[
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_BASE_URL",
    "GOOGLE_SKIP_SIGNATURE",
];

/// Any of these gives credentials.
const CREDENTIALS: &[&str] = &[
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// Where `gcloud auth application-default login` leaves its credentials, below the home directory.
const GCLOUD_CREDENTIALS: &str = ".config/gcloud/application_default_credentials.json";

/// The store of one bucket.
pub(super) fn build(
    location: &Location,
    environment: Environment<'_>,
    io: Option<&Handle>,
) -> Result<Arc<dyn ObjectStore>> {
    // The emulator's variable is the one Google's own client libraries read.
    let emulator = variable(environment, "STORAGE_EMULATOR_HOST");
    if emulator.is_none() {
        check_credentials(location, environment)?;
    }
    let is_http = emulator.is_some()
        || variable(environment, "GOOGLE_BASE_URL").is_some_and(|url| url.starts_with("http://"));
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_client_options(client_options().with_allow_http(is_http))
        .with_retry(retry_config())
        .with_bucket_name(&location.bucket);
    for name in VARIABLES {
        let Some(value) = variable(environment, name) else {
            continue;
        };
        let key: GoogleConfigKey = name
            .to_ascii_lowercase()
            .parse()
            .map_err(|error| refused(location, &error))?;
        builder = builder.with_config(key, value);
    }
    if let Some(host) = emulator {
        let url = if host.contains("://") {
            host
        } else {
            format!("http://{host}")
        };
        builder = builder.with_base_url(&url).with_skip_signature(true);
    }
    if let Some(io) = io {
        builder = builder.with_http_connector(connector(io));
    }
    Ok(Arc::new(
        builder.build().map_err(|error| refused(location, &error))?,
    ))
}

fn check_credentials(location: &Location, environment: Environment<'_>) -> Result<()> {
    let is_given = CREDENTIALS
        .iter()
        .any(|name| variable(environment, name).is_some())
        || is_true(environment, "GOOGLE_SKIP_SIGNATURE")
        || is_true(environment, "GOOGLE_USE_METADATA")
        || variable(environment, "HOME")
            .is_some_and(|home| Path::new(&home).join(GCLOUD_CREDENTIALS).is_file());
    if is_given {
        return Ok(());
    }
    Err(SheafError::user(format!("no credentials for {}", location.text)).with_hint(
        "set GOOGLE_APPLICATION_CREDENTIALS to a key file, or GOOGLE_SERVICE_ACCOUNT_KEY to its \
         text; for a public bucket GOOGLE_SKIP_SIGNATURE=true; for the account of a cloud machine \
         GOOGLE_USE_METADATA=true",
    ))
}

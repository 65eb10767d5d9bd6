//! Azure Blob and Data Lake Storage, from the `AZURE_…` variables.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;

use super::{
    Environment, Location, client_options, connector, is_true, refused, retry_config, variable,
};

/// The variables that are handed to the store.
const VARIABLES: &[&str] = &[
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
    "AZURE_MSI_ENDPOINT",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USE_AZURE_CLI",
    "AZURE_STORAGE_USE_EMULATOR",
    "AZURE_SKIP_SIGNATURE",
    "AZURE_ALLOW_HTTP",
];

/// Any of these gives credentials.
const CREDENTIALS: &[&str] = &[
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_MSI_ENDPOINT",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_CONNECTION_STRING",
];

/// Pieces of a connection string, and the variable each stands for.
const CONNECTION_PIECES: &[(&str, &str)] = &[
    ("AccountName", "azure_storage_account_name"),
    ("AccountKey", "azure_storage_account_key"),
    ("SharedAccessSignature", "azure_storage_sas_token"),
    ("BlobEndpoint", "azure_storage_endpoint"),
];

/// The store of one container.
pub(super) fn build(
    location: &Location,
    environment: Environment<'_>,
    io: Option<&Handle>,
) -> Result<Arc<dyn ObjectStore>> {
    let connection = variable(environment, "AZURE_STORAGE_CONNECTION_STRING").unwrap_or_default();
    check_credentials(location, environment)?;
    let endpoint = variable(environment, "AZURE_STORAGE_ENDPOINT").unwrap_or_default();
    let is_http = endpoint.starts_with("http://") || connection.contains("BlobEndpoint=http://");
    let mut builder = MicrosoftAzureBuilder::new()
        .with_client_options(client_options().with_allow_http(is_http))
        .with_retry(retry_config())
        .with_container_name(&location.bucket);
    let mut set = |name: &str, value: String| -> Result<()> {
        let key: AzureConfigKey = name.parse().map_err(|error| refused(location, &error))?;
        builder = std::mem::take(&mut builder).with_config(key, value);
        Ok(())
    };
    for piece in connection.split(';') {
        let Some((name, value)) = piece.split_once('=') else {
            continue;
        };
        if let Some((_, key)) = CONNECTION_PIECES.iter().find(|(piece, _)| *piece == name) {
            set(key, value.to_owned())?;
        }
    }
    for name in VARIABLES {
        if let Some(value) = variable(environment, name) {
            set(&name.to_ascii_lowercase(), value)?;
        }
    }
    if let Some(account) = &location.account {
        builder = builder.with_account(account);
    }
    if let Some(io) = io {
        builder = builder.with_http_connector(connector(io));
    }
    Ok(Arc::new(
        builder.build().map_err(|error| refused(location, &error))?,
    ))
}

fn check_credentials(location: &Location, environment: Environment<'_>) -> Result<()> {
    let is_emulator = is_true(environment, "AZURE_STORAGE_USE_EMULATOR");
    let has_account = location.account.is_some()
        || variable(environment, "AZURE_STORAGE_ACCOUNT_NAME").is_some()
        || variable(environment, "AZURE_STORAGE_CONNECTION_STRING").is_some();
    if !has_account && !is_emulator {
        return Err(
            SheafError::user(format!("no account for {}", location.text)).with_hint(
                "set AZURE_STORAGE_ACCOUNT_NAME, or write \
             abfss://container@account.dfs.core.windows.net/path",
            ),
        );
    }
    let is_given = is_emulator
        || CREDENTIALS
            .iter()
            .any(|name| variable(environment, name).is_some())
        || is_true(environment, "AZURE_SKIP_SIGNATURE")
        || is_true(environment, "AZURE_USE_AZURE_CLI");
    if is_given {
        return Ok(());
    }
    Err(
        SheafError::user(format!("no credentials for {}", location.text)).with_hint(
            "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, or AZURE_CLIENT_ID with \
         AZURE_CLIENT_SECRET and AZURE_TENANT_ID; AZURE_USE_AZURE_CLI=true takes the login of az; \
         for a public container AZURE_SKIP_SIGNATURE=true",
        ),
    )
}

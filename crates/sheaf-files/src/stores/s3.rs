//! Amazon S3, and every server that speaks its protocol, from the `AWS_…` variables.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;

use super::{
    Environment, Location, client_options, connector, is_true, refused, retry_config, variable,
};

/// The variables that are handed to the store, in the spelling of the AWS programs. A later one
/// wins over an earlier one that sets the same thing.
pub(super) const VARIABLES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ALLOW_HTTP",
    "AWS_SKIP_SIGNATURE",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_UNSIGNED_PAYLOAD",
    "AWS_CHECKSUM_ALGORITHM",
    "AWS_REQUEST_PAYER",
    "AWS_METADATA_ENDPOINT",
    "AWS_IMDSV1_FALLBACK",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
];

/// The store of one bucket.
pub(super) fn build(
    location: &Location,
    environment: Environment<'_>,
    io: Option<&Handle>,
) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = configure(location, environment)?;
    if let Some(io) = io {
        builder = builder.with_http_connector(connector(io));
    }
    let store = builder.build().map_err(|error| refused(location, &error))?;
    Ok(Arc::new(store))
}

/// The builder of one bucket's store, with everything the variables say.
pub(super) fn configure(
    location: &Location,
    environment: Environment<'_>,
) -> Result<AmazonS3Builder> {
    check_credentials(location, environment)?;
    let mut builder = AmazonS3Builder::new()
        .with_client_options(client_options())
        .with_retry(retry_config())
        .with_bucket_name(&location.bucket);
    for name in VARIABLES {
        let Some(value) = variable(environment, name) else {
            continue;
        };
        let key: AmazonS3ConfigKey = name
            .to_ascii_lowercase()
            .parse()
            .map_err(|error| refused(location, &error))?;
        builder = builder.with_config(key, value);
    }
    Ok(builder)
}

/// Without credentials the store would ask the metadata service of a cloud machine, and on any
/// other machine wait for nothing. So that is done only when asked for.
fn check_credentials(location: &Location, environment: Environment<'_>) -> Result<()> {
    let is_set = |name| variable(environment, name).is_some();
    match (is_set("AWS_ACCESS_KEY_ID"), is_set("AWS_SECRET_ACCESS_KEY")) {
        (true, true) => return Ok(()),
        (true, false) => return Err(missing(location).with_hint("set AWS_SECRET_ACCESS_KEY too")),
        (false, true) => return Err(missing(location).with_hint("set AWS_ACCESS_KEY_ID too")),
        (false, false) => {}
    }
    let is_elsewhere = is_true(environment, "AWS_SKIP_SIGNATURE")
        || is_set("AWS_WEB_IDENTITY_TOKEN_FILE")
        || is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        || is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        || is_set("AWS_METADATA_ENDPOINT")
        || environment("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|v| v.eq_ignore_ascii_case("false"));
    if is_elsewhere {
        return Ok(());
    }
    Err(missing(location).with_hint(
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_REGION); for a public bucket \
         AWS_SKIP_SIGNATURE=true; for the role of an EC2 machine AWS_EC2_METADATA_DISABLED=false",
    ))
}

fn missing(location: &Location) -> SheafError {
    SheafError::user(format!("no credentials for {}", location.text))
}

//! Web servers: one object by its URL, read only.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::http::HttpBuilder;
use sheaf_base::Result;

use super::{Location, client_options, refused, retry_config};

/// The store of one host and port.
pub(super) fn build(location: &Location) -> Result<Arc<dyn ObjectStore>> {
    let store = HttpBuilder::new()
        .with_url(location.store_url.as_str())
        .with_client_options(client_options().with_allow_http(location.scheme.name == "http"))
        .with_retry(retry_config())
        .build()
        .map_err(|error| refused(location, &error))?;
    Ok(Arc::new(store))
}

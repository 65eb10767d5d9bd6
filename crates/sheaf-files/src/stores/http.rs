//! Web servers: one object by its URL, read only.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::http::HttpBuilder;
use sheaf_base::Result;
use tokio::runtime::Handle;

use super::{Location, client_options, connector, refused, retry_config};

/// The store of one host and port.
pub(super) fn build(location: &Location, io: Option<&Handle>) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = HttpBuilder::new()
        .with_url(location.store_url.as_str())
        .with_client_options(client_options().with_allow_http(location.scheme.name == "http"))
        .with_retry(retry_config());
    if let Some(io) = io {
        builder = builder.with_http_connector(connector(io));
    }
    let store = builder.build().map_err(|error| refused(location, &error))?;
    Ok(Arc::new(store))
}

//! Web servers: one object by its URL, read only. Those that know no ranges send the whole object
//! each time, of which the wanted part is kept.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::http::{HttpBuilder, HttpStore};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
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
    let inner = builder.build().map_err(|error| refused(location, &error))?;
    Ok(Arc::new(WebStore {
        inner,
        has_no_ranges: AtomicBool::new(false),
    }))
}

/// A web server.
#[derive(Debug)]
struct WebStore {
    inner: HttpStore,
    /// Whether the server was seen to send everything.
    has_no_ranges: AtomicBool,
}

impl fmt::Display for WebStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl WebStore {
    /// The wanted part of the whole object.
    async fn get_part_of_whole(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let wanted = options.range.clone();
        let whole = GetOptions {
            range: None,
            ..options
        };
        let result = self.inner.get_opts(path, whole).await?;
        let Some(wanted) = wanted else {
            return Ok(result);
        };
        let size = result.meta.size;
        let part = wanted
            .as_range(size)
            .map_err(|error| object_store::Error::Generic {
                store: "HTTP",
                source: Box::new(error),
            })?;
        Ok(GetResult {
            meta: result.meta.clone(),
            attributes: result.attributes.clone(),
            range: part.clone(),
            payload: GetResultPayload::Stream(cut(result.into_stream(), part)),
        })
    }
}

/// The bytes of `part` of a stream; what comes after is not waited for.
fn cut(
    whole: BoxStream<'static, StoreResult<Bytes>>,
    part: Range<u64>,
) -> BoxStream<'static, StoreResult<Bytes>> {
    let state = (whole, part.start, part.end - part.start);
    let chunks = futures::stream::try_unfold(state, |(mut whole, mut skip, mut left)| async move {
        while left > 0 {
            let Some(mut chunk) = whole.try_next().await? else {
                break;
            };
            let skipped = skip.min(chunk.len() as u64);
            skip -= skipped;
            chunk = chunk.slice(usize::try_from(skipped).unwrap_or(0)..);
            let taken = left.min(chunk.len() as u64);
            left -= taken;
            if taken > 0 {
                chunk.truncate(usize::try_from(taken).unwrap_or(usize::MAX));
                return Ok(Some((chunk, (whole, skip, left))));
            }
        }
        Ok(None)
    });
    chunks.boxed()
}

#[async_trait]
impl ObjectStore for WebStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        if options.range.is_none() {
            return self.inner.get_opts(path, options).await;
        }
        if !self.has_no_ranges.load(Ordering::Relaxed) {
            match self.inner.get_opts(path, options.clone()).await {
                Err(object_store::Error::NotSupported { .. }) => {
                    self.has_no_ranges.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        self.get_part_of_whole(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

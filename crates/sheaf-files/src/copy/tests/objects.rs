//! Object stores, against one in memory: objects appear together, or none does.

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use super::*;

struct Remote {
    store: Arc<InMemory>,
    context: SessionContext,
}

impl Remote {
    fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let context = SessionContext::new();
        let url = at("s3://bucket/", Path::new("/")).store_url;
        context
            .runtime_env()
            .register_object_store(url.as_ref(), store.clone());
        Self { store, context }
    }

    async fn copy(&self, target: &str, options: &[(&str, &str)], end: End) -> Result<u64> {
        let partitions = vec![(vec![sample()], end), (vec![sample()], End::Well)];
        let input = plan_of(partitions, &self.context).await;
        run(
            &request(at(target, Path::new("/")), options),
            input,
            &self.context,
        )
        .await
    }

    async fn names(&self) -> Vec<String> {
        let objects: Vec<_> = self.store.list(None).try_collect().await.unwrap();
        objects
            .into_iter()
            .map(|object| object.location.to_string())
            .collect()
    }
}

#[tokio::test]
async fn one_object_appears_when_it_is_whole() {
    let remote = Remote::new();
    assert_eq!(
        remote
            .copy("s3://bucket/d/a.csv", &[], End::Well)
            .await
            .unwrap(),
        2000
    );
    assert_eq!(remote.names().await, ["d/a.csv"]);
    let old = remote
        .store
        .get(&"d/a.csv".into())
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(
        remote
            .copy("s3://bucket/d/a.csv", &[], End::Error)
            .await
            .is_err()
    );
    assert!(
        remote
            .copy("s3://bucket/d/b.csv", &[], End::Error)
            .await
            .is_err()
    );
    assert_eq!(remote.names().await, ["d/a.csv"]);
    let now = remote
        .store
        .get(&"d/a.csv".into())
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(now, old);
}

#[tokio::test]
async fn several_objects_appear_together() {
    let remote = Remote::new();
    let parquet = ("format", "parquet");
    let hive = [
        parquet,
        ("partition_by", "flag"),
        ("per_thread_output", "false"),
    ];
    assert!(
        remote
            .copy("s3://bucket/t", &hive, End::Error)
            .await
            .is_err()
    );
    assert!(remote.names().await.is_empty());
    remote
        .copy("s3://bucket/t", &hive, End::Well)
        .await
        .unwrap();
    let names = remote.names().await;
    assert_eq!(names.len(), 3);
    assert!(
        names[0].starts_with("t/flag=__HIVE_DEFAULT_PARTITION__/data_"),
        "{names:?}"
    );
    assert!(names[2].starts_with("t/flag=true/data_"), "{names:?}");
    let error = remote
        .copy("s3://bucket/t", &hive, End::Well)
        .await
        .unwrap_err();
    assert_eq!(error.message(), "\"s3://bucket/t\" is not empty");
    let append = [parquet, ("append", "true")];
    remote
        .copy("s3://bucket/t", &append, End::Well)
        .await
        .unwrap();
    assert_eq!(remote.names().await.len(), 5);
    let overwrite = [
        parquet,
        ("overwrite", "true"),
        ("per_thread_output", "false"),
    ];
    assert!(
        remote
            .copy("s3://bucket/t", &overwrite, End::Error)
            .await
            .is_err()
    );
    assert_eq!(remote.names().await.len(), 5);
    remote
        .copy("s3://bucket/t", &overwrite, End::Well)
        .await
        .unwrap();
    assert_eq!(remote.names().await.len(), 1);
}

#[tokio::test]
async fn a_large_object_goes_up_in_parts() {
    let remote = Remote::new();
    let text = "x".repeat(1 << 20);
    let column: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
    let batch = RecordBatch::try_from_iter([("t", column)]).unwrap();
    let input = plan_of(vec![(vec![batch; 20], End::Well)], &remote.context).await;
    let location = at("s3://bucket/big.csv", Path::new("/"));
    run(
        &request(location, &[("header", "false")]),
        input,
        &remote.context,
    )
    .await
    .unwrap();
    let object = remote
        .store
        .get(&"big.csv".into())
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(object.len(), 20 * ((1 << 20) + 1));
    assert!(object.iter().enumerate().all(|(i, byte)| {
        *byte
            == if i % ((1 << 20) + 1) == 1 << 20 {
                b'\n'
            } else {
                b'x'
            }
    }));
}

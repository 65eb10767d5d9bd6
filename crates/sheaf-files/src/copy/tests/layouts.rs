//! Directories of files: threads, partitions, what is there already, memory.

use std::collections::HashSet;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::*;
use crate::stores::percent_decode;

fn keyed(keys: Vec<Option<&str>>) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..keys.len() as i64);
    let numbers: ArrayRef = Arc::new(numbers);
    let keys: ArrayRef = Arc::new(StringArray::from(keys));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("key", keys, true)]).unwrap()
}

async fn copy_keyed(
    directory: &Path,
    keys: Vec<Option<&str>>,
    options: &[(&str, &str)],
) -> Result<u64> {
    let context = SessionContext::new();
    let input = plan_of(vec![(vec![keyed(keys)], End::Well)], &context).await;
    let mut request = request(at("out", directory), options);
    request.format = Some("parquet".to_owned());
    request.partitioned_by = vec!["KEY".to_owned()];
    run(&request, input, &context).await
}

#[tokio::test]
async fn partitions_become_encoded_directories() {
    let directory = tempfile::tempdir().unwrap();
    let keys = vec![
        Some("a/b"),
        None,
        Some("x y=1%"),
        Some("a/b"),
        Some("é"),
        Some(""),
        Some(".."),
    ];
    assert_eq!(
        copy_keyed(directory.path(), keys.clone(), &[])
            .await
            .unwrap(),
        7
    );
    let found = names(directory.path());
    let directories: Vec<&str> = found
        .iter()
        .map(|name| {
            name.strip_prefix("out/")
                .unwrap()
                .split_once('/')
                .unwrap()
                .0
        })
        .collect();
    let expected = [
        "key=..",
        "key=",
        "key=__HIVE_DEFAULT_PARTITION__",
        "key=a%2Fb",
        "key=x%20y%3D1%25",
        "key=é",
    ];
    assert_eq!(directories, expected);
    for (name, directory_name) in found.iter().zip(&directories) {
        let value = percent_decode(directory_name.strip_prefix("key=").unwrap());
        for batch in read_parquet(&directory.path().join(name)) {
            assert_eq!(batch.num_columns(), 1, "the key is in the path alone");
            for row in batch.column(0).as_primitive::<Int64Type>().values() {
                let key = keys[usize::try_from(*row).unwrap()];
                assert_eq!(key.unwrap_or("__HIVE_DEFAULT_PARTITION__"), value);
            }
        }
    }
}

#[tokio::test]
async fn partition_columns_can_stay_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let options = [("write_partition_columns", "true")];
    copy_keyed(directory.path(), vec![Some("a")], &options)
        .await
        .unwrap();
    let name = names(directory.path()).remove(0);
    assert_eq!(
        read_parquet(&directory.path().join(name))[0].num_columns(),
        2
    );
}

#[tokio::test]
async fn more_partitions_than_open_files_lose_no_row() {
    let directory = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (0..900).map(|i| format!("k{}", i % 300)).collect();
    let keys = keys.iter().map(|key| Some(key.as_str())).collect();
    copy_keyed(directory.path(), keys, &[]).await.unwrap();
    let found = names(directory.path());
    let directories: HashSet<_> = found
        .iter()
        .map(|name| name.rsplit_once('/').unwrap().0)
        .collect();
    assert_eq!(directories.len(), 300);
    let rows: usize = found
        .iter()
        .map(|name| rows_of(&directory.path().join(name)))
        .sum();
    assert_eq!(rows, 900);
}

#[tokio::test]
async fn every_thread_writes_its_file_unless_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let context = SessionContext::new();
    for (options, files) in [
        (&[][..], 3),
        (&[("per_thread_output", "false")], 1),
        (&[("file_size_bytes", "1kB")], 6),
    ] {
        let halves = || vec![sample().slice(0, 500), sample().slice(500, 500)];
        let partitions = (0..3).map(|_| (halves(), End::Well)).collect();
        let input = plan_of(partitions, &context).await;
        let target = format!("deep/er/{files}");
        let mut request = request(at(&target, directory.path()), options);
        request.format = Some("parquet".to_owned());
        assert_eq!(run(&request, input, &context).await.unwrap(), 3000);
        let found = names(&directory.path().join(&target));
        assert_eq!(found.len(), files, "{found:?}");
        assert!(found.contains(&"data_0.parquet".to_owned()));
    }
}

#[tokio::test]
async fn a_directory_with_files_wants_overwrite_or_append() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let parquet = ("format", "parquet");
    fs::create_dir(path.join("out")).unwrap();
    copy_sample(path, "out", &[parquet]).await.unwrap();
    assert_eq!(names(path), ["out/data_0.parquet"]);
    let error = copy_sample(path, "out", &[parquet]).await.unwrap_err();
    assert_eq!(error.message(), "\"out\" is not empty");
    assert_eq!(error.state().code(), "58P02");
    copy_sample(path, "out/", &[parquet, ("append", "true")])
        .await
        .unwrap();
    let both = names(path);
    assert_eq!(both.len(), 2);
    assert!(both.contains(&"out/data_0.parquet".to_owned()));
    copy_sample(path, "out", &[parquet, ("overwrite", "")])
        .await
        .unwrap();
    assert_eq!(names(path), ["out/data_0.parquet"]);
    let options = [parquet, ("overwrite", "true"), ("append", "true")];
    assert!(copy_sample(path, "out", &options).await.is_err());
    fs::write(path.join("plain"), "x").unwrap();
    let error = copy_sample(path, "plain", &[parquet]).await.unwrap_err();
    assert!(error.message().contains("is a file"));
    copy_sample(path, "plain", &[parquet, ("single_file", "true")])
        .await
        .unwrap();
    assert_eq!(rows_of(&path.join("plain")), 1000);
}

#[cfg(unix)]
#[tokio::test]
async fn a_replaced_file_keeps_its_rights_and_links_stay_links() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("real.csv"), "old").unwrap();
    fs::set_permissions(path.join("real.csv"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.csv", path.join("link.csv")).unwrap();
    copy_sample(path, "link.csv", &[]).await.unwrap();
    assert!(path.join("link.csv").is_symlink());
    assert!(
        fs::read_to_string(path.join("real.csv"))
            .unwrap()
            .starts_with("id,name")
    );
    let mode = path
        .join("real.csv")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[tokio::test]
async fn little_memory_makes_smaller_row_groups() {
    let directory = tempfile::tempdir().unwrap();
    // 800,000 distinct numbers are 6.4 MB; the pool has a third of that.
    let context = context_with_memory(2 << 20);
    let batches: Vec<RecordBatch> = (0..100)
        .map(|i| {
            let numbers = (0..8000).map(|j| (i * 8000 + j) * 2_654_435_761 % 1_000_000_007);
            let column: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
            RecordBatch::try_from_iter([("n", column)]).unwrap()
        })
        .collect();
    let input = plan_of(vec![(batches, End::Well)], &context).await;
    let options = [("row_group_size", "10000000"), ("compression", "none")];
    let request = request(at("a.parquet", directory.path()), &options);
    assert_eq!(run(&request, input, &context).await.unwrap(), 800_000);
    assert_eq!(rows_of(&directory.path().join("a.parquet")), 800_000);
    assert_eq!(context.runtime_env().memory_pool.reserved(), 0);
}

/// 2,000 directories in two tasks, of which each may have 64 files open: one file for each task and
/// directory, and in little memory.
#[tokio::test]
async fn many_directories_get_one_file_a_task() {
    let directory = tempfile::tempdir().unwrap();
    let context = context_with_memory(32 << 20);
    let batch = |from: i64| {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + 4_000));
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(
            (from..from + 4_000).map(|id| id * 7 % 2_000),
        ));
        RecordBatch::try_from_iter([("id", ids), ("k", keys)]).unwrap()
    };
    let halves = [0, 8_000].map(|from| (vec![batch(from), batch(from + 4_000)], End::Well));
    let input = plan_of(halves.to_vec(), &context).await;
    let mut request = request(at("out", directory.path()), &[("format", "parquet")]);
    request.partitioned_by = vec!["k".to_owned()];
    assert_eq!(run(&request, input, &context).await.unwrap(), 16_000);
    let files = names(&directory.path().join("out"));
    assert_eq!(files.len(), 4_000);
    let rows: usize = files
        .iter()
        .map(|name| rows_of(&directory.path().join("out").join(name)))
        .sum();
    assert_eq!(rows, 16_000);
}

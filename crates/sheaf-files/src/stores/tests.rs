//! Locations and settings of stores; nothing here sends a request.

use std::path::Path;
use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::aws::AmazonS3ConfigKey;

use super::*;

fn nothing(_: &str) -> Option<String> {
    None
}

fn at(text: &str) -> Result<Location> {
    locate(text, Path::new("/data"), &|name| {
        (name == "HOME").then(|| "/home/ada".to_owned())
    })
}

#[test]
fn local_paths_become_absolute_urls() {
    for (text, url) in [
        ("a.csv", "file:///data/a.csv"),
        ("./x/../a b.csv", "file:///data/a%20b.csv"),
        ("/abs/100%.csv", "file:///abs/100%25.csv"),
        ("~/logs/", "file:///home/ada/logs/"),
        ("~", "file:///home/ada"),
        ("file:///abs/a%20b.csv", "file:///abs/a%20b.csv"),
        ("a/*.csv", "file:///data/a/*.csv"),
        ("q?.csv", "file:///data/q%3F.csv"),
    ] {
        let location = at(text).unwrap();
        assert_eq!(location.url().unwrap().as_str(), url, "{text}");
        assert_eq!(location.text, text);
    }
    assert_eq!(
        at("a.csv").unwrap().local_path().unwrap(),
        Path::new("/data/a.csv")
    );
    assert_eq!(at("dir/").unwrap().path, "data/dir/");
    let error = locate("~/x", Path::new("/"), &nothing).unwrap_err();
    assert!(error.hint().unwrap().contains("HOME"));
    assert!(at("file://server/share").is_err());
    assert!(at("").is_err());
}

#[test]
fn remote_paths_name_store_and_key() {
    for (text, store, path) in [
        ("s3://b/k/x y%20.csv", "s3://b/", "k/x y%20.csv"),
        ("s3a://b/k", "s3://b/", "k"),
        ("gcs://b/*.csv", "gs://b/", "*.csv"),
        ("az://c/x", "az://c/", "x"),
        ("abfss://c@acc.dfs.core.windows.net/x", "az://c.acc/", "x"),
        ("https://host/a%20b.csv", "https://host/", "a b.csv"),
        ("http://host:8080/a.csv", "http://host:8080/", "a.csv"),
    ] {
        let location = at(text).unwrap();
        assert_eq!(location.store_url.as_str(), store, "{text}");
        assert_eq!(location.path, path, "{text}");
        assert!(location.local_path().is_none());
    }
}

#[test]
fn wrong_locations_say_what_to_write() {
    let error = at("s4://b/x").unwrap_err();
    assert!(error.message().contains("unknown scheme"));
    assert!(
        error.hint().unwrap().starts_with("did you mean s3://?"),
        "{:?}",
        error.hint()
    );
    assert!(error.hint().unwrap().contains("abfss"));
    assert!(at("s3:///x").is_err());
    assert!(
        at("https://host/*.csv")
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("read_csv([")
    );
    assert!(at("https://host/a.csv?token=1").is_err());
    assert!(at("https://me:secret@host/a.csv").is_err());
}

#[test]
fn percent_coding_round_trips() {
    for text in ["a/b", "100%", "ä ö", "a=b&c", "%2F", "\u{1F600}", "a\nb"] {
        assert_eq!(percent_decode(&percent_encode(text, "")), text);
    }
    assert_eq!(percent_encode("a/b", ""), "a%2Fb");
    assert_eq!(percent_decode("%zz%4"), "%zz%4");
}

#[test]
fn s3_takes_its_settings_from_the_environment() {
    let location = at("s3://b/x").unwrap();
    let environment = |name: &str| {
        Some(match name {
            "AWS_ACCESS_KEY_ID" => "key".to_owned(),
            "AWS_SECRET_ACCESS_KEY" => "secret".to_owned(),
            "AWS_SESSION_TOKEN" => "token".to_owned(),
            "AWS_DEFAULT_REGION" => "eu-west-1".to_owned(),
            "AWS_REGION" => "eu-central-1".to_owned(),
            "AWS_ENDPOINT_URL" => "http://127.0.0.1:9000".to_owned(),
            "AWS_ALLOW_HTTP" => "true".to_owned(),
            _ => return None,
        })
    };
    let builder = s3::configure(&location, &environment).unwrap();
    for (key, value) in [
        (AmazonS3ConfigKey::AccessKeyId, "key"),
        (AmazonS3ConfigKey::SecretAccessKey, "secret"),
        (AmazonS3ConfigKey::Token, "token"),
        (AmazonS3ConfigKey::Region, "eu-central-1"),
        (AmazonS3ConfigKey::Endpoint, "http://127.0.0.1:9000"),
        (AmazonS3ConfigKey::Bucket, "b"),
    ] {
        assert_eq!(builder.get_config_value(&key).as_deref(), Some(value));
    }
    builder.build().unwrap();
    let only_default = |name: &str| match name {
        "AWS_DEFAULT_REGION" => Some("eu-west-1".to_owned()),
        "AWS_SKIP_SIGNATURE" => Some("true".to_owned()),
        _ => None,
    };
    let builder = s3::configure(&location, &only_default).unwrap();
    assert_eq!(
        builder
            .get_config_value(&AmazonS3ConfigKey::Region)
            .as_deref(),
        Some("eu-west-1")
    );
}

#[test]
fn every_variable_of_s3_is_known_below() {
    for name in s3::VARIABLES {
        assert!(
            name.to_ascii_lowercase()
                .parse::<AmazonS3ConfigKey>()
                .is_ok(),
            "{name}"
        );
    }
}

#[test]
fn missing_credentials_name_the_variables() {
    let runtime = RuntimeEnv::default();
    for (text, variable) in [
        ("s3://b/x", "AWS_ACCESS_KEY_ID"),
        ("gs://b/x", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://c/x", "AZURE_STORAGE_ACCOUNT_NAME"),
        (
            "abfss://c@acc.dfs.core.windows.net/x",
            "AZURE_STORAGE_ACCOUNT_KEY",
        ),
    ] {
        let error = ensure_store(&at(text).unwrap(), &runtime, &nothing, None).unwrap_err();
        assert!(
            error.hint().unwrap().contains(variable),
            "{text}: {:?}",
            error.hint()
        );
        assert!(error.message().contains(text));
    }
    let only_key = |name: &str| (name == "AWS_ACCESS_KEY_ID").then(|| "key".to_owned());
    let error = ensure_store(&at("s3://b/x").unwrap(), &runtime, &only_key, None).unwrap_err();
    assert_eq!(error.hint(), Some("set AWS_SECRET_ACCESS_KEY too"));
}

#[test]
fn one_store_a_bucket_and_never_shared() {
    let runtime = RuntimeEnv::default();
    let environment = |name: &str| match name {
        "AWS_SKIP_SIGNATURE" | "GOOGLE_SKIP_SIGNATURE" | "AZURE_SKIP_SIGNATURE" => {
            Some("true".to_owned())
        }
        "AZURE_STORAGE_ACCOUNT_NAME" => Some("other".to_owned()),
        _ => None,
    };
    let mut stores: Vec<Arc<dyn object_store::ObjectStore>> = Vec::new();
    for text in [
        "a.csv",
        "s3://one/x",
        "s3://two/x",
        "gs://one/x",
        "az://one/x",
        "abfss://one@acc.dfs.core.windows.net/x",
        "abfss://two@acc.dfs.core.windows.net/x",
        "http://host/x",
        "http://host:81/x",
        "https://host/x",
    ] {
        let location = at(text).unwrap();
        let store = ensure_store(&location, &runtime, &environment, None).unwrap();
        let again = ensure_store(&location, &runtime, &nothing, None).unwrap();
        assert!(Arc::ptr_eq(&store, &again), "{text}");
        assert!(
            !stores.iter().any(|known| Arc::ptr_eq(known, &store)),
            "{text}"
        );
        stores.push(store);
    }
}

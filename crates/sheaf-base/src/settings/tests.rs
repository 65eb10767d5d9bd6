//! Layers, types and messages of settings.

use std::time::Duration;

use super::{Layer, SETTINGS, Settings};
use crate::ByteCount;

#[test]
fn every_default_is_a_value_the_setting_takes() {
    for setting in SETTINGS {
        setting.check(setting.default).unwrap();
    }
}

#[test]
fn stronger_layers_win_whatever_the_order_of_setting() {
    let mut settings = Settings::default();
    settings
        .set("memory_limit", "3GB", Layer::CommandLine)
        .unwrap();
    settings.set("memory_limit", "1GB", Layer::File).unwrap();
    settings
        .set("memory_limit", "2GB", Layer::Environment)
        .unwrap();
    assert_eq!(
        settings.get("memory_limit").unwrap(),
        ("3GB", Layer::CommandLine)
    );
    settings.set("Memory_Limit", "4GB", Layer::Session).unwrap();
    assert_eq!(
        settings.bytes("memory_limit"),
        Some(ByteCount(4_000_000_000))
    );
    settings.reset("memory_limit").unwrap();
    assert_eq!(
        settings.bytes("memory_limit"),
        Some(ByteCount(3_000_000_000))
    );
}

#[test]
fn typed_accessors_read_auto_and_no_limit() {
    let mut settings = Settings::default();
    assert_eq!(settings.count("threads"), None);
    assert_eq!(settings.duration("statement_timeout"), None);
    settings
        .set("statement_timeout", "30s", Layer::Session)
        .unwrap();
    assert_eq!(
        settings.duration("statement_timeout"),
        Some(Duration::from_secs(30))
    );
    settings.reset_all();
    assert_eq!(settings.duration("statement_timeout"), None);
}

#[test]
fn wrong_names_and_values_are_refused_with_advice() {
    let mut settings = Settings::default();
    let error = settings
        .set("memory_limt", "1GB", Layer::Session)
        .unwrap_err();
    assert_eq!(error.hint(), Some("did you mean \"memory_limit\"?"));
    assert_eq!(error.state().code(), "42704");
    let error = settings.set("threads", "0", Layer::Session).unwrap_err();
    assert_eq!(error.state().code(), "22023");
    assert_eq!(
        error.hint(),
        Some("it takes a whole number of at least 1, or auto")
    );
    assert!(
        settings
            .set("progress_bar", "maybe", Layer::Session)
            .is_err()
    );
}

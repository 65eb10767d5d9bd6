//! What a setting does: each short name finds its place in the engine's options here.

use datafusion::config::{ConfigNonZeroUsize, ConfigOptions};
use datafusion::prelude::SessionConfig;
use sheaf_base::settings::Settings;
use sheaf_base::{ByteCount, Result, SheafError};
use sheaf_runtime::{EngineRuntime, MachineLimits};

/// Carries `settings` into the engine and into the options that the next statement sees.
///
/// # Errors
/// `UserInput` if the engine refuses a value (an unknown time zone, say).
pub(crate) fn apply_settings(
    settings: &Settings,
    engine: &EngineRuntime,
    options: &mut ConfigOptions,
) -> Result<()> {
    apply_to_engine(settings, engine);
    apply_to_options(settings, options)
}

/// Carries what all sessions share into the engine.
pub(crate) fn apply_to_engine(settings: &Settings, engine: &EngineRuntime) {
    engine.set_memory_limit(memory_limit(settings));
    if let Some(bytes) = settings.bytes("max_temp_directory_size") {
        engine.spill().set_bytes_max(bytes);
    }
    if let Some(directory) = settings.string("temp_directory") {
        engine.spill().set_parent(Some(directory.into()));
    }
}

/// Carries what one session has for itself into its options.
///
/// # Errors
/// As [`apply_settings`].
pub(crate) fn apply_to_options(settings: &Settings, options: &mut ConfigOptions) -> Result<()> {
    let limits = MachineLimits::detect();
    let is_in_order = settings.is("scheduler", "synchronous");
    options.execution.target_partitions = match is_in_order {
        true => 1,
        false => settings.count("threads").unwrap_or(limits.threads),
    };
    sheaf_optimizer::set_in_order(options, is_in_order);
    if let Some(rows) = settings.count("batch_size") {
        options.execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
    }
    if let Some(zone) = settings.string("time_zone") {
        check_time_zone(zone)?;
        options.execution.time_zone = Some(zone.to_owned());
    }
    sheaf_optimizer::set_memory_limit(options, memory_limit(settings));
    Ok(())
}

fn memory_limit(settings: &Settings) -> ByteCount {
    settings
        .bytes("memory_limit")
        .unwrap_or_else(|| MachineLimits::detect().memory_limit_auto())
}

/// What a setting's value means: where it is `auto`, what was found for it.
pub(crate) fn effective_value(
    name: &str,
    value: &str,
    engine: &EngineRuntime,
    config: &SessionConfig,
) -> String {
    match (name, value) {
        ("memory_limit", "auto") => engine.memory().limit().to_string(),
        ("threads", "auto") => config.target_partitions().to_string(),
        _ => value.to_owned(),
    }
}

fn check_time_zone(zone: &str) -> Result<()> {
    zone.parse::<arrow::array::timezone::Tz>()
        .map(drop)
        .map_err(|_| {
            SheafError::user(format!("there is no time zone \"{zone}\""))
                .with_state(sheaf_base::error::SqlState::INVALID_PARAMETER_VALUE)
                .with_hint("write a name such as UTC or Europe/Berlin, or an offset such as +02:00")
        })
}

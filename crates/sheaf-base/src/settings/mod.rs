//! Settings: declared once in [`SETTINGS`], read in four layers.
//!
//! The declaration (name, type, default, documentation) makes `SET`, `SHOW ALL`, `RESET`, the
//! environment's `SHEAF_…` names, the command line's help and `sheaf help settings`. Layers, weak
//! to strong: default < configuration file < environment < command line < `SET`.

mod declared;
#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::time::Duration;

pub use declared::SETTINGS;

use crate::error::{Result, SheafError, SqlState};
use crate::suggest::nearest;
use crate::units::{ByteCount, parse_duration};

/// One setting, as declared.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The short name used in `SET`, in the file and on the command line.
    pub name: &'static str,
    /// What values it takes.
    pub kind: SettingKind,
    /// Its value when no layer says otherwise, as text.
    pub default: &'static str,
    /// Whether it concerns the session alone, so that a remote one may change it for itself.
    pub is_personal: bool,
    /// What it does, in one or two sentences.
    pub doc: &'static str,
}

/// The values a setting takes. `auto` is allowed where the kind says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// `true`/`false`, `on`/`off`, `yes`/`no`, `1`/`0`.
    Bool,
    /// A whole number of at least `min`, or `auto`.
    Count {
        /// The least number allowed.
        min: u64,
    },
    /// A number of bytes with a unit (`4GB`), or `auto`.
    Bytes {
        /// The least number of bytes allowed.
        min: u64,
    },
    /// A length of time (`30s`); 0 means no limit.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
}

/// The layer that gave a setting its value, weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The declaration.
    Default,
    /// The configuration file.
    File,
    /// A `SHEAF_…` variable.
    Environment,
    /// A command-line option, or the builder of the library.
    CommandLine,
    /// `SET` in the session.
    Session,
}

impl Layer {
    /// The name shown by `SHOW ALL` and `sheaf.settings`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::CommandLine => "command line",
            Self::Session => "session",
        }
    }
}

/// The values of all settings in one session. Values are kept as canonical text; the typed
/// accessors cannot fail, since [`Settings::set`] refuses what does not parse.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `values[i]` belongs to `SETTINGS[i]`; per layer, strongest wins.
    values: Vec<[Option<String>; LAYER_COUNT]>,
}

/// Layers that can hold a value: all but [`Layer::Default`].
const LAYER_COUNT: usize = 4;

impl Default for Settings {
    fn default() -> Self {
        Self {
            values: vec![[const { None }; LAYER_COUNT]; SETTINGS.len()],
        }
    }
}

impl Settings {
    /// Gives setting `name` the value `text` in `layer`.
    ///
    /// # Errors
    /// `UserInput` if there is no such setting, or it does not take the value.
    pub fn set(&mut self, name: &str, text: &str, layer: Layer) -> Result<()> {
        let index = find(name)?;
        SETTINGS[index].check(text)?;
        if let Some(slot) = slot(layer) {
            self.values[index][slot] = Some(text.trim().to_owned());
        }
        Ok(())
    }

    /// Takes back what `SET` gave setting `name`: the layers below apply again.
    ///
    /// # Errors
    /// `UserInput` if there is no such setting.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        let index = find(name)?;
        self.values[index][LAYER_COUNT - 1] = None;
        Ok(())
    }

    /// Takes back every `SET`.
    pub fn reset_all(&mut self) {
        for layers in &mut self.values {
            layers[LAYER_COUNT - 1] = None;
        }
    }

    /// The value of setting `name` as text, and the layer it comes from.
    ///
    /// # Errors
    /// `UserInput` if there is no such setting.
    pub fn get(&self, name: &str) -> Result<(&str, Layer)> {
        find(name).map(|index| self.at(index))
    }

    /// Every setting with its value and layer, in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Setting, &str, Layer)> {
        SETTINGS.iter().enumerate().map(|(index, setting)| {
            let (text, layer) = self.at(index);
            (setting, text, layer)
        })
    }

    fn at(&self, index: usize) -> (&str, Layer) {
        const LAYERS: [Layer; LAYER_COUNT] = [
            Layer::File,
            Layer::Environment,
            Layer::CommandLine,
            Layer::Session,
        ];
        for (slot, layer) in LAYERS.into_iter().enumerate().rev() {
            if let Some(text) = &self.values[index][slot] {
                return (text, layer);
            }
        }
        (SETTINGS[index].default, Layer::Default)
    }

    fn text(&self, name: &str) -> &str {
        self.get(name).map_or("", |(text, _)| text)
    }

    /// A setting of kind [`SettingKind::Bool`].
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        parse_bool(self.text(name)).unwrap_or(false)
    }

    /// A setting of kind [`SettingKind::Count`]; `None` for `auto`.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<usize> {
        self.text(name).parse().ok()
    }

    /// A setting of kind [`SettingKind::Bytes`]; `None` for `auto`.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<ByteCount> {
        self.text(name).parse().ok()
    }

    /// A setting of kind [`SettingKind::Duration`]; `None` for no limit.
    #[must_use]
    pub fn duration(&self, name: &str) -> Option<Duration> {
        parse_duration(self.text(name))
            .ok()
            .filter(|d| !d.is_zero())
    }

    /// Whether a setting of kind [`SettingKind::Choice`] has the value `word`.
    #[must_use]
    pub fn is(&self, name: &str, word: &str) -> bool {
        self.text(name).eq_ignore_ascii_case(word)
    }

    /// A setting of kind [`SettingKind::Text`]; `None` if empty.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }
}

impl Setting {
    /// The environment variable that sets it (`SHEAF_MEMORY_LIMIT`).
    #[must_use]
    pub fn environment_name(&self) -> String {
        format!("SHEAF_{}", self.name.to_uppercase())
    }

    /// Checks that the setting can take the value `text`.
    ///
    /// # Errors
    /// `UserInput`, naming the setting and what it takes.
    pub fn check(&self, text: &str) -> Result<()> {
        let text = text.trim();
        let is_auto = text.eq_ignore_ascii_case("auto");
        let fits = match self.kind {
            SettingKind::Bool => parse_bool(text).is_some(),
            SettingKind::Count { min } => is_auto || text.parse::<u64>().is_ok_and(|n| n >= min),
            SettingKind::Bytes { min } => {
                is_auto || ByteCount::from_str(text).is_ok_and(|bytes| bytes.0 >= min)
            }
            SettingKind::Duration => parse_duration(text).is_ok(),
            SettingKind::Choice(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            SettingKind::Text => true,
        };
        if fits {
            return Ok(());
        }
        Err(
            SheafError::user(format!("setting {} cannot be \"{text}\"", self.name))
                .with_state(SqlState::INVALID_PARAMETER_VALUE)
                .with_hint(format!("it takes {}", self.kind.describe())),
        )
    }
}

impl SettingKind {
    /// What values there are, in words.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Bool => "on or off".to_owned(),
            Self::Count { min } => format!("a whole number of at least {min}, or auto"),
            Self::Bytes { min } => {
                format!(
                    "a size such as 512MB or 4GB (at least {}), or auto",
                    ByteCount(min)
                )
            }
            Self::Duration => "a time such as 500ms or 30s; 0 means no limit".to_owned(),
            Self::Choice(words) => words.join(" or "),
            Self::Text => "any text".to_owned(),
        }
    }
}

fn find(name: &str) -> Result<usize> {
    SETTINGS
        .iter()
        .position(|s| s.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let error = SheafError::user(format!("there is no setting \"{name}\""))
                .with_state(SqlState::UNDEFINED_OBJECT);
            match nearest(name, SETTINGS.iter().map(|s| s.name)) {
                Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
                None => error.with_hint("SHOW ALL lists the settings"),
            }
        })
}

fn slot(layer: Layer) -> Option<usize> {
    match layer {
        Layer::Default => None,
        Layer::File => Some(0),
        Layer::Environment => Some(1),
        Layer::CommandLine => Some(2),
        Layer::Session => Some(3),
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

//! `\x`, `\timing`, `\pset`, `\set`, `\unset`: how results are shown, and variables.

use clap::ValueEnum;
use sheaf::suggest::nearest;
use sheaf::{Result, SheafError};

use super::switch;
use super::words::words;
use crate::console::{Console, Outcome};
use crate::render::{Expanded, Format};

/// Rows of a box at most: they are kept in memory.
const BOX_ROWS_MAX: usize = 1_000_000;

/// `\x [on|off|auto]`.
pub(super) fn expanded(console: &mut Console, arguments: &str) -> Result<Outcome> {
    console.display.expanded = if arguments.eq_ignore_ascii_case("auto") {
        Expanded::Auto
    } else if switch("\\x", arguments, console.display.expanded == Expanded::On)? {
        Expanded::On
    } else {
        Expanded::Off
    };
    let state = expanded_name(console.display.expanded);
    told(console, &format!("expanded display is {state}"))
}

/// `\timing [on|off]`.
pub(super) fn timing(console: &mut Console, arguments: &str) -> Result<Outcome> {
    console.display.timing = switch("\\timing", arguments, console.display.timing)?;
    let state = on_off(console.display.timing);
    told(console, &format!("timing is {state}"))
}

/// A property of the display, as `\pset` knows it.
struct Property {
    name: &'static str,
    help: &'static str,
    get: fn(&Console) -> String,
    set: fn(&mut Console, &str) -> Result<()>,
}

/// Every property, in the order in which `\pset` shows them.
static PROPERTIES: &[Property] = &[
    Property {
        name: "format",
        help: "box, csv, tsv, json, ndjson, markdown",
        get: |console| format_name(console.display.format),
        set: set_format,
    },
    Property {
        name: "null",
        help: "what stands for NULL",
        get: |console| format!("'{}'", console.display.null_text),
        set: |console, value| {
            value.clone_into(&mut console.display.null_text);
            Ok(())
        },
    },
    Property {
        name: "expanded",
        help: "on, off, auto: each row as a list of its values",
        get: |console| expanded_name(console.display.expanded).to_owned(),
        set: |console, value| expanded(console, value).map(|_| ()),
    },
    Property {
        name: "rows",
        help: "rows that a box shows",
        get: |console| console.display.rows_max.to_string(),
        set: |console, value| {
            console.display.rows_max = number("rows", value, 1, BOX_ROWS_MAX)?;
            Ok(())
        },
    },
    Property {
        name: "width",
        help: "columns of the terminal; 0 asks the terminal",
        get: |console| console.display.width.unwrap_or(0).to_string(),
        set: |console, value| {
            let width = number("width", value, 0, 100_000)?;
            console.display.width = (width > 0).then_some(width);
            Ok(())
        },
    },
    Property {
        name: "footer",
        help: "on, off: the line under a box",
        get: |console| on_off(console.display.footer).to_owned(),
        set: |console, value| {
            console.display.footer = switch("footer", value, console.display.footer)?;
            Ok(())
        },
    },
    Property {
        name: "pager",
        help: "on, off: long results go to $PAGER",
        get: |console| on_off(console.pager).to_owned(),
        set: |console, value| {
            console.pager = switch("pager", value, console.pager)?;
            Ok(())
        },
    },
];

/// `\pset [name [value]]`.
pub(super) fn pset(console: &mut Console, arguments: &str) -> Result<Outcome> {
    let words = words(arguments)?;
    let Some(name) = words.first() else {
        let lines: String = PROPERTIES
            .iter()
            .map(|p| format!("{:<10}{:<12}{}\n", p.name, (p.get)(console), p.help))
            .collect();
        console.show(&lines)?;
        return Ok(Outcome::Done);
    };
    let property = PROPERTIES
        .iter()
        .find(|p| p.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let error = SheafError::user(format!("\\pset knows no \"{name}\""));
            match nearest(name, PROPERTIES.iter().map(|p| p.name)) {
                Some(near) => error.with_hint(format!("did you mean {near}?")),
                None => error.with_hint("\\pset alone lists what there is"),
            }
        })?;
    let is_switch = property.help.starts_with("on, off");
    if words.len() > 1 || is_switch || property.name == "null" {
        (property.set)(console, &words[1..].join(" "))?;
    }
    let value = (property.get)(console);
    told(console, &format!("{} is {value}", property.name))
}

fn set_format(console: &mut Console, value: &str) -> Result<()> {
    let format = Format::from_str(value, true).map_err(|_| {
        SheafError::user(format!("there is no format \"{value}\""))
            .with_hint("the formats are box, csv, tsv, json, ndjson, markdown, parquet, arrow")
    })?;
    console.display.format = format;
    console.display.footer = format == Format::Box;
    Ok(())
}

fn number(name: &str, value: &str, min: usize, max: usize) -> Result<usize> {
    value
        .parse()
        .ok()
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| {
            SheafError::user(format!(
                "{name} takes a number from {min} to {max}, not \"{value}\""
            ))
        })
}

/// `\set [name [value]]`; several words are joined, as in psql.
pub(super) fn set(console: &mut Console, arguments: &str) -> Result<Outcome> {
    let words = words(arguments)?;
    let Some((name, value)) = words.split_first() else {
        let lines: String = console
            .variables
            .iter()
            .map(|(name, value)| format!("{name} = '{value}'\n"))
            .collect();
        console.show(&lines)?;
        return Ok(Outcome::Done);
    };
    console.variables.set(name, &value.concat())?;
    Ok(Outcome::Done)
}

/// `\unset name`.
pub(super) fn unset(console: &mut Console, arguments: &str) -> Result<Outcome> {
    match words(arguments)?.as_slice() {
        [name] if console.variables.unset(name) => Ok(Outcome::Done),
        [name] => Err(SheafError::user(format!("variable \"{name}\" is not set"))),
        _ => Err(SheafError::user("\\unset takes a variable's name")),
    }
}

/// Confirms to a person; a script stays quiet.
fn told(console: &Console, text: &str) -> Result<Outcome> {
    if console.interactive {
        console.show(&format!("{text}\n"))?;
    }
    Ok(Outcome::Done)
}

fn on_off(state: bool) -> &'static str {
    if state { "on" } else { "off" }
}

fn expanded_name(expanded: Expanded) -> &'static str {
    match expanded {
        Expanded::Off => "off",
        Expanded::On => "on",
        Expanded::Auto => "auto",
    }
}

fn format_name(format: Format) -> String {
    format
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

//! `pg_proc`, `pg_description` of functions, and what functions are called.
//!
//! `data/procs.tsv` lists PostgreSQL's own functions that Sheaf has too, and those that its types
//! name; functions of Sheaf alone take and give anything, as far as the catalogue says.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::Filler;
use crate::cast::type_oid;
use crate::database::{Database, OWNER, PG_CATALOG, PUBLIC};
use crate::facts::{Function, own_oid};
use crate::functions::{ANY, is_known};
use crate::names::quote_name;
use crate::types::{Oid, REGTYPE, types};
use crate::value::{Array, Names, Value};

/// A function.
#[derive(Debug, Clone)]
pub(crate) struct Proc {
    pub(crate) oid: Oid,
    pub(crate) schema: &'static str,
    pub(crate) name: String,
    /// `f`unction, `a`ggregate, `w`indow.
    kind: &'static str,
    gives_rows: bool,
    volatility: &'static str,
    is_strict: bool,
    default_count: i64,
    returns: Oid,
    takes: Vec<Oid>,
    variadic: Oid,
    /// A letter for each of all arguments: `i`n, `o`ut, `b`oth, `v`ariadic, `t`able.
    modes: &'static str,
    all: Vec<Oid>,
    names: Vec<&'static str>,
    pub(crate) description: Option<String>,
}

static PROCS: LazyLock<Vec<Proc>> = LazyLock::new(|| {
    let lines = include_str!("../../data/procs.tsv").lines();
    lines.filter_map(read).collect()
});

/// The places of the functions of each name.
static PROCS_BY_NAME: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut names: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (index, proc) in PROCS.iter().enumerate() {
        names.entry(proc.name.as_str()).or_default().push(index);
    }
    names
});

static PROCS_BY_OID: LazyLock<HashMap<Oid, usize>> = LazyLock::new(|| {
    let numbered = PROCS.iter().enumerate();
    numbered.map(|(index, proc)| (proc.oid, index)).collect()
});

fn oids(text: &str) -> Vec<Oid> {
    text.split_whitespace()
        .filter_map(|oid| oid.parse().ok())
        .collect()
}

fn read(line: &'static str) -> Option<Proc> {
    let fields: Vec<&'static str> = line.split('\t').collect();
    let text = |index: usize| fields.get(index).copied();
    let names = text(12)?;
    Some(Proc {
        oid: text(0)?.parse().ok()?,
        schema: PG_CATALOG,
        name: text(1)?.to_owned(),
        kind: text(2)?,
        gives_rows: text(3)? == "t",
        volatility: text(4)?,
        is_strict: text(5)? == "t",
        default_count: text(6)?.parse().ok()?,
        returns: text(7)?.parse().ok()?,
        takes: oids(text(8)?),
        variadic: text(9)?.parse().ok()?,
        modes: text(10)?,
        all: oids(text(11)?),
        names: match names {
            "" => vec![],
            names => names.split(',').collect(),
        },
        description: None,
    })
}

fn own(function: &Function) -> Proc {
    let schema = if function.is_users {
        PUBLIC
    } else {
        PG_CATALOG
    };
    Proc {
        oid: own_oid(function.kind, schema, &function.name),
        schema,
        name: function.name.clone(),
        kind: match function.kind {
            "aggregate" => "a",
            "window" => "w",
            _ => "f",
        },
        gives_rows: function.kind == "table",
        volatility: "s",
        is_strict: false,
        default_count: 0,
        returns: ANY,
        takes: vec![ANY],
        variadic: ANY,
        modes: "v",
        all: vec![ANY],
        names: vec![],
        description: function.description.clone(),
    }
}

/// Functions of Sheaf alone, and the ways to them.
pub(crate) struct OwnProcs {
    all: Vec<Proc>,
    by_oid: HashMap<Oid, usize>,
    by_name: HashMap<String, usize>,
}

fn owns(database: &Database) -> &OwnProcs {
    database.procs.get_or_init(|| {
        let functions = database.facts.functions.iter();
        let functions =
            functions.filter(|f| f.is_users || !PROCS_BY_NAME.contains_key(f.name.as_str()));
        let mut procs = OwnProcs {
            all: functions.map(own).collect(),
            by_oid: HashMap::new(),
            by_name: HashMap::new(),
        };
        for (index, proc) in procs.all.iter().enumerate() {
            procs.by_oid.entry(proc.oid).or_insert(index);
            procs.by_name.entry(proc.name.clone()).or_insert(index);
        }
        procs
    })
}

/// What Sheaf says of the function of that name.
fn description(database: &Database, name: &str) -> Option<String> {
    let functions = &database.facts.functions;
    let index = functions
        .binary_search_by(|f| f.name.as_str().cmp(name))
        .ok()?;
    functions.get(index)?.description.clone()
}

/// Every function: PostgreSQL's that Sheaf has, then Sheaf's.
fn all(database: &Database) -> Vec<Proc> {
    let names: HashSet<&str> = database
        .facts
        .functions
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    let ours = |name: &str| names.contains(name) || is_known(name);
    let described = PROCS.iter().map(|proc| match ours(&proc.name) {
        true => Proc {
            description: description(database, &proc.name),
            ..proc.clone()
        },
        false => proc.clone(),
    });
    described
        .chain(owns(database).all.iter().cloned())
        .collect()
}

/// The function with that number.
pub(crate) fn find(database: &Database, oid: Oid) -> Option<Proc> {
    if let Some(proc) = PROCS_BY_OID.get(&oid).and_then(|index| PROCS.get(*index)) {
        return Some(Proc {
            description: description(database, &proc.name),
            ..proc.clone()
        });
    }
    let owns = owns(database);
    owns.all.get(*owns.by_oid.get(&oid)?).cloned()
}

/// The number of the first function of that name.
pub(crate) fn named(database: &Database, name: &str) -> Option<Oid> {
    let name = name.trim();
    let bare = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let first = PROCS_BY_NAME.get(bare).and_then(|places| places.first());
    let found = first.and_then(|place| PROCS.get(*place));
    found.map(|proc| proc.oid).or_else(|| {
        let owns = owns(database);
        let proc = owns.all.get(*owns.by_name.get(bare)?)?;
        Some(proc.oid)
    })
}

/// The number of the function with that name and arguments, written as `abs(int)`.
pub(crate) fn with_signature(database: &Database, text: &str) -> Option<Oid> {
    let (name, arguments) = text.trim().strip_suffix(')')?.split_once('(')?;
    let name = name.trim();
    let bare = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let arguments = arguments.split(',').map(str::trim);
    let wanted = arguments.filter(|argument| !argument.is_empty());
    let wanted: Option<Vec<Oid>> = wanted.map(|name| type_oid(database, name)).collect();
    let wanted = wanted?;
    let mut all = all(database).into_iter();
    let found = all.find(|proc| proc.name == bare && proc.takes == wanted);
    found.map(|proc| proc.oid)
}

/// How many functions have that name.
pub(crate) fn count_named(database: &Database, name: &str) -> usize {
    let name = name.trim();
    let bare = name.strip_prefix("pg_catalog.").unwrap_or(name);
    match PROCS_BY_NAME.get(bare) {
        None => usize::from(named(database, bare).is_some()),
        Some(places) => places.len(),
    }
}

/// A function's name, as `regproc` shows it.
pub(crate) fn name_of(database: &Database, oid: Oid) -> Option<String> {
    let proc = find(database, oid)?;
    let name = quote_name(&proc.name);
    // One that its name alone does not find has its schema before it.
    Some(match count_named(database, &proc.name) {
        1 => name,
        _ => format!("{}.{name}", proc.schema),
    })
}

/// A function's name with its arguments' types, as `regprocedure` shows it.
pub(crate) fn signature_of(database: &Database, oid: Oid) -> Option<String> {
    let proc = find(database, oid)?;
    let types = proc.takes.iter().map(|oid| database.name_of(REGTYPE, *oid));
    let types: Vec<String> = types.collect();
    Some(format!("{}({})", quote_name(&proc.name), types.join(",")))
}

impl Proc {
    /// The arguments as they are declared.
    pub(crate) fn arguments(&self, database: &Database) -> String {
        let types = if self.all.is_empty() {
            &self.takes
        } else {
            &self.all
        };
        let modes = self.modes.chars().map(Some).chain(std::iter::repeat(None));
        let arguments = types.iter().zip(modes).enumerate();
        let arguments = arguments.filter_map(|(index, (oid, mode))| {
            let word = match mode {
                Some('o') => "OUT ",
                Some('b') => "INOUT ",
                Some('v') => "VARIADIC ",
                Some('t') => return None,
                _ => "",
            };
            let name = self.names.get(index).filter(|name| !name.is_empty());
            let name = name.map_or(String::new(), |name| format!("{} ", quote_name(name)));
            Some(format!("{word}{name}{}", database.name_of(REGTYPE, *oid)))
        });
        arguments.collect::<Vec<_>>().join(", ")
    }

    /// The type that it gives.
    pub(crate) fn result(&self, database: &Database) -> String {
        let name = database.name_of(REGTYPE, self.returns);
        match self.gives_rows {
            true => format!("SETOF {name}"),
            false => name,
        }
    }

    /// The line of CREATE FUNCTION that says how it behaves.
    pub(crate) fn properties(&self) -> String {
        let mut words = vec![];
        match self.volatility {
            "i" => words.push("IMMUTABLE"),
            "s" => words.push("STABLE"),
            _ => {}
        }
        words.push("PARALLEL SAFE");
        if self.is_strict {
            words.push("STRICT");
        }
        format!(" {}\n", words.join(" "))
    }
}

fn vector(oids: &[Oid]) -> Value {
    let elements = oids.iter().map(|oid| Value::oid(*oid)).collect();
    Value::Array(std::sync::Arc::new(Array { lower: 0, elements }))
}

/// The columns of [`procs`].
pub(super) const COLUMNS: &[&str] = &[
    "oid",
    "proname",
    "pronamespace",
    "proowner",
    "prolang",
    "procost",
    "provariadic",
    "prokind",
    "proisstrict",
    "proretset",
    "provolatile",
    "proparallel",
    "pronargs",
    "pronargdefaults",
    "prorettype",
    "proargtypes",
    "proallargtypes",
    "proargmodes",
    "proargnames",
    "prosrc",
];

/// The rows of `pg_proc`.
pub(super) fn procs(database: &Database, filler: &mut Filler) {
    for proc in all(database) {
        let count = i64::try_from(proc.takes.len()).unwrap_or(0);
        let letters = proc.modes.chars().map(|mode| Value::text(mode.to_string()));
        let some = |is_some: bool, value: Value| if is_some { value } else { Value::Null };
        let all = proc.all.iter().map(|oid| Value::oid(*oid)).collect();
        let names = proc.names.iter().map(Value::text).collect();
        filler.push(vec![
            Value::oid(proc.oid),
            Value::text(&proc.name),
            Value::Int(if proc.schema == PUBLIC { 2200 } else { 11 }),
            Value::oid(OWNER),
            Value::Int(super::INTERNAL_LANGUAGE),
            Value::Float(1.0),
            Value::oid(proc.variadic),
            proc.kind.into(),
            proc.is_strict.into(),
            proc.gives_rows.into(),
            proc.volatility.into(),
            "s".into(),
            Value::Int(count),
            Value::Int(proc.default_count),
            Value::oid(proc.returns),
            vector(&proc.takes),
            some(!proc.modes.is_empty(), Value::array(all)),
            some(!proc.modes.is_empty(), Value::array(letters.collect())),
            some(!proc.names.is_empty(), Value::array(names)),
            Value::text(&proc.name),
        ]);
    }
}

/// The rows of `pg_aggregate`.
pub(super) fn aggregates(database: &Database, filler: &mut Filler) {
    for proc in all(database).iter().filter(|proc| proc.kind == "a") {
        filler.push(vec![Value::oid(proc.oid), "n".into()]);
    }
}

/// The rows of `pg_description`: of functions and types.
pub(super) fn descriptions(database: &Database, filler: &mut Filler) {
    const PROC_TABLE: i64 = 1255;
    const TYPE_TABLE: i64 = 1247;
    let mut push = |oid: Oid, table: i64, text: String| {
        let row = vec![
            Value::oid(oid),
            Value::Int(table),
            Value::Int(0),
            text.into(),
        ];
        filler.push(row);
    };
    for proc in all(database) {
        if let Some(text) = proc.description {
            push(proc.oid, PROC_TABLE, text);
        }
    }
    for known in &types().rows {
        if let Some(text) = known.description {
            push(known.oid, TYPE_TABLE, text.to_owned());
        }
    }
}

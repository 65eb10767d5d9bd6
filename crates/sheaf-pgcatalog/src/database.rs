//! The catalogue of one statement: PostgreSQL's tables with the rows that the facts make, and the
//! ways from names to numbers of objects and back.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use sheaf_base::Result;

use crate::facts::{Facts, Relation, RelationKind, own_oid};
use crate::names::quote_name;
use crate::run::Watch;
use crate::tables;
use crate::tables::functions::OwnProcs;
use crate::types::{self, Oid, format_type, types};
use crate::value::{Names, Row};

pub(crate) const PG_CATALOG: &str = "pg_catalog";
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";
pub(crate) const PUBLIC: &str = "public";
/// The number of the role that owns everything.
pub(crate) const OWNER: Oid = 10;

/// Schemas with their numbers; those from 16,384 on are ours.
pub(crate) const SCHEMAS: &[(Oid, &str)] = &[
    (11, PG_CATALOG),
    (2200, PUBLIC),
    (12_421, INFORMATION_SCHEMA),
    (16_383, "sheaf"),
];

/// A table or view of PostgreSQL's own.
#[derive(Debug)]
pub(crate) struct CatalogTable {
    pub(crate) oid: Oid,
    pub(crate) schema: &'static str,
    /// `r` or `v`.
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) row_type: Oid,
    pub(crate) columns: Vec<CatalogColumn>,
}

/// A column of it.
#[derive(Debug)]
pub(crate) struct CatalogColumn {
    pub(crate) name: &'static str,
    /// Its type, which may be a domain.
    pub(crate) type_of: Oid,
    pub(crate) is_required: bool,
}

/// The tables of PostgreSQL 18, as its `pg_class` and `pg_attribute` have them.
pub(crate) struct CatalogTables {
    pub(crate) rows: Vec<CatalogTable>,
    by_name: HashMap<(&'static str, &'static str), usize>,
    by_oid: HashMap<Oid, usize>,
}

static TABLES: LazyLock<CatalogTables> = LazyLock::new(CatalogTables::read);

/// The tables of PostgreSQL's own.
pub(crate) fn catalog_tables() -> &'static CatalogTables {
    &TABLES
}

fn read_column(text: &'static str) -> Option<CatalogColumn> {
    let (name, type_name) = text.split_once(' ')?;
    let is_required = type_name.ends_with('!');
    let type_of = types().named(type_name.trim_end_matches('!'))?.oid;
    Some(CatalogColumn {
        name,
        type_of,
        is_required,
    })
}

fn read_table(line: &'static str) -> Option<CatalogTable> {
    let mut fields = line.split('\t');
    let oid = fields.next()?.parse().ok()?;
    let (schema, kind, name) = (fields.next()?, fields.next()?, fields.next()?);
    let row_type = fields.next()?.parse().ok()?;
    let columns = fields.next()?.split(',').map(read_column);
    Some(CatalogTable {
        oid,
        schema,
        kind,
        name,
        row_type,
        columns: columns.collect::<Option<_>>()?,
    })
}

impl CatalogTables {
    fn read() -> Self {
        let lines = include_str!("../data/relations.tsv").lines();
        let rows: Vec<CatalogTable> = lines.filter_map(read_table).collect();
        let numbered = || rows.iter().enumerate();
        Self {
            by_name: numbered().map(|(i, t)| ((t.schema, t.name), i)).collect(),
            by_oid: numbered().map(|(i, t)| (t.oid, i)).collect(),
            rows,
        }
    }

    /// The index of a table; without a schema, of one in `pg_catalog`.
    pub(crate) fn find(&self, schema: Option<&str>, name: &str) -> Option<usize> {
        let schema = schema.unwrap_or(PG_CATALOG);
        self.by_name.get(&(schema, name)).copied()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&CatalogTable> {
        self.rows.get(index)
    }
}

/// The rows of a table.
pub(crate) type Rows = Rc<Vec<Row>>;

/// The catalogue of one statement.
pub(crate) struct Database {
    pub(crate) facts: Arc<Facts>,
    relations: OnceCell<RelationPlaces>,
    roles: OnceCell<Vec<RoleRow>>,
    /// Functions of Sheaf alone.
    pub(crate) procs: OnceCell<OwnProcs>,
    rows: RefCell<HashMap<usize, Rows>>,
}

/// The ways to the relations of the facts.
#[derive(Default)]
struct RelationPlaces {
    by_oid: HashMap<Oid, usize>,
    by_name: HashMap<&'static str, HashMap<String, usize>>,
    /// By the types of their rows, and of arrays of these.
    by_type: HashMap<Oid, usize>,
}

/// A role.
#[derive(Clone)]
pub(crate) struct RoleRow {
    pub(crate) oid: Oid,
    pub(crate) name: String,
    pub(crate) is_superuser: bool,
    pub(crate) can_connect: bool,
}

/// Something that can be read from: a relation of the facts, or PostgreSQL's own.
#[derive(Clone, Copy)]
pub(crate) enum AnyRelation<'a> {
    Own(&'a Relation),
    Catalog(&'static CatalogTable),
}

impl AnyRelation<'_> {
    pub(crate) fn schema(&self) -> &'static str {
        match self {
            Self::Own(relation) => relation.schema,
            Self::Catalog(table) => table.schema,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Own(relation) => &relation.name,
            Self::Catalog(table) => table.name,
        }
    }

    pub(crate) fn oid(&self) -> Oid {
        match self {
            Self::Own(relation) => relation.oid(),
            Self::Catalog(table) => table.oid,
        }
    }
}

impl Relation {
    pub(crate) fn oid(&self) -> Oid {
        own_oid("relation", self.schema, &self.name)
    }

    pub(crate) fn row_type(&self) -> Oid {
        own_oid("row type", self.schema, &self.name)
    }

    pub(crate) fn row_array_type(&self) -> Oid {
        own_oid("array of rows", self.schema, &self.name)
    }
}

impl RelationKind {
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Table => "r",
            Self::View => "v",
            Self::MaterializedView => "m",
        }
    }
}

impl Database {
    pub(crate) fn new(facts: Arc<Facts>) -> Self {
        Self {
            facts,
            relations: OnceCell::new(),
            roles: OnceCell::new(),
            procs: OnceCell::new(),
            rows: RefCell::default(),
        }
    }

    fn places(&self) -> &RelationPlaces {
        self.relations.get_or_init(|| {
            let mut places = RelationPlaces::default();
            for (index, relation) in self.facts.relations.iter().enumerate() {
                places.by_oid.insert(relation.oid(), index);
                places.by_type.insert(relation.row_type(), index);
                places.by_type.insert(relation.row_array_type(), index);
                let names = places.by_name.entry(relation.schema).or_default();
                names.entry(relation.name.clone()).or_insert(index);
            }
            places
        })
    }

    fn relation_at(&self, place: Option<&usize>) -> Option<&Relation> {
        self.facts.relations.get(*place?)
    }

    /// The relation whose rows, or arrays of them, have that type.
    pub(crate) fn relation_of_type(&self, oid: Oid) -> Option<&Relation> {
        self.relation_at(self.places().by_type.get(&oid))
    }

    /// The rows of a table of PostgreSQL's own; none if nothing here makes any.
    ///
    /// # Errors
    /// Those of a view's query.
    pub(crate) fn rows(&self, table: usize, watch: Option<&dyn Watch>) -> Result<Rows> {
        if let Some(rows) = self.rows.borrow().get(&table) {
            return Ok(Rc::clone(rows));
        }
        let made = catalog_tables()
            .get(table)
            .map(|t| tables::rows(self, t, watch));
        let rows = Rc::new(made.transpose()?.unwrap_or_default());
        self.rows.borrow_mut().insert(table, Rc::clone(&rows));
        Ok(rows)
    }

    pub(crate) fn own_relation(&self, oid: Oid) -> Option<&Relation> {
        self.relation_at(self.places().by_oid.get(&oid))
    }

    pub(crate) fn relation(&self, oid: Oid) -> Option<AnyRelation<'_>> {
        if let Some(relation) = self.own_relation(oid) {
            return Some(AnyRelation::Own(relation));
        }
        let tables = catalog_tables();
        let found = tables.by_oid.get(&oid).and_then(|index| tables.get(*index));
        found.map(AnyRelation::Catalog)
    }

    /// The relation that a name means; without a schema, as a statement of this session would.
    pub(crate) fn relation_named(
        &self,
        schema: Option<&str>,
        name: &str,
    ) -> Option<AnyRelation<'_>> {
        let names = self.places().by_name.get(schema.unwrap_or(PUBLIC));
        let own = self.relation_at(names.and_then(|names| names.get(name)));
        own.map(AnyRelation::Own).or_else(|| {
            let index = catalog_tables().find(schema, name)?;
            catalog_tables().get(index).map(AnyRelation::Catalog)
        })
    }

    /// Whether a relation is found by its name alone.
    pub(crate) fn is_visible(&self, relation: AnyRelation<'_>) -> bool {
        matches!(relation.schema(), PUBLIC | PG_CATALOG)
            && self
                .relation_named(None, relation.name())
                .is_some_and(|found| found.oid() == relation.oid())
    }

    /// The roles: those that may connect, who asks, and the owner.
    pub(crate) fn roles(&self) -> &[RoleRow] {
        self.roles.get_or_init(|| self.made_roles())
    }

    fn made_roles(&self) -> Vec<RoleRow> {
        let identity = &self.facts.identity;
        let own = (identity.user.clone(), identity.is_superuser, true);
        let known = identity.server.roles().into_iter();
        let known = known.map(|role| (role.name, role.is_superuser, true));
        let owner = (OWNER_NAME.to_owned(), true, false);
        let mut roles: Vec<RoleRow> = vec![];
        for (name, is_superuser, can_connect) in std::iter::once(own).chain(known).chain([owner]) {
            if !roles.iter().any(|role| role.name == name) {
                roles.push(RoleRow {
                    oid: match name.as_str() {
                        OWNER_NAME => OWNER,
                        name => own_oid("role", "", name),
                    },
                    name,
                    is_superuser,
                    can_connect,
                });
            }
        }
        roles
    }

    /// The name of a role.
    pub(crate) fn role_name(&self, oid: Oid) -> Option<String> {
        let found = self.roles().iter().find(|role| role.oid == oid);
        found.map(|role| role.name.clone())
    }

    /// The name of a type, of PostgreSQL's or of a relation's rows.
    pub(crate) fn type_name(&self, oid: Oid, modifier: Option<i64>) -> Option<String> {
        format_type(oid, modifier).or_else(|| {
            let found = self.relation_of_type(oid)?;
            let name = self.qualified(AnyRelation::Own(found));
            Some(match found.row_type() == oid {
                true => name,
                false => format!("{name}[]"),
            })
        })
    }

    /// The name by which a relation is found: with its schema where that is needed.
    pub(crate) fn qualified(&self, relation: AnyRelation<'_>) -> String {
        let name = quote_name(relation.name());
        match self.is_visible(relation) {
            true => name,
            false => format!("{}.{name}", quote_name(relation.schema())),
        }
    }
}

/// The role that owns everything.
pub(crate) const OWNER_NAME: &str = "sheaf";

impl Names for Database {
    fn name_of(&self, type_of: Oid, oid: Oid) -> String {
        if oid == 0 {
            return "-".to_owned();
        }
        let found = match type_of {
            types::REGCLASS => self.relation(oid).map(|found| self.qualified(found)),
            types::REGTYPE => self.type_name(oid, None),
            types::REGNAMESPACE => {
                let found = SCHEMAS.iter().find(|(known, _)| *known == oid);
                found.map(|(_, name)| quote_name(name))
            }
            types::REGROLE => self.role_name(oid).map(|name| quote_name(&name)),
            types::REGPROC => tables::functions::name_of(self, oid),
            types::REGPROCEDURE => tables::functions::signature_of(self, oid),
            _ => None,
        };
        found.unwrap_or_else(|| oid.to_string())
    }
}

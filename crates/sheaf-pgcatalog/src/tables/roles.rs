//! `pg_authid`, of which `pg_roles` and its like are views.

use super::Filler;
use crate::database::Database;
use crate::value::Value;

pub(super) const COLUMNS: &[&str] = &[
    "oid",
    "rolname",
    "rolsuper",
    "rolinherit",
    "rolcreaterole",
    "rolcreatedb",
    "rolcanlogin",
    "rolreplication",
    "rolbypassrls",
    "rolconnlimit",
];

pub(super) fn authids(database: &Database, filler: &mut Filler) {
    for role in database.roles() {
        let no = || Value::Bool(false);
        filler.push(vec![
            Value::oid(role.oid),
            Value::text(&role.name),
            role.is_superuser.into(),
            true.into(),
            no(),
            no(),
            role.can_connect.into(),
            no(),
            no(),
            Value::Int(-1),
        ]);
    }
}

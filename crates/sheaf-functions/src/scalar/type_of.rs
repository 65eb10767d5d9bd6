//! `typeof(x)`: the SQL name of an expression's type. (`pg_typeof`, which says PostgreSQL's name, is
//! `sheaf-pgcatalog`'s.)

use arrow::datatypes::DataType;
use datafusion::logical_expr::{ScalarUDF, lit};
use sheaf_base::sql_type_name;

use crate::shorthand::Shorthand;

pub(super) fn function() -> ScalarUDF {
    Shorthand::new(
        "typeof",
        1,
        |_| Ok(DataType::Utf8),
        |_, types| Ok(lit(sql_type_name(&types[0]))),
    )
    .documented(
        "Other Functions",
        "The SQL name of the type of an expression.",
        "typeof(expression)",
    )
    .build()
}

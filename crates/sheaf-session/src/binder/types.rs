//! Names of types that the engine's planner does not know, or takes for others.
//!
//! - VARIANT, JSON and UUID are ours;
//! - PostgreSQL's own names stand in its schema;
//! - NUMERIC without digits is any;
//! - TIMESTAMP counts microseconds, as in PostgreSQL: the engine's nanoseconds end in 2262.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{self, ExactNumberInfo, TimezoneInfo};
use sheaf_bags::planner::VariantTypes;
use sheaf_base::uuid::UUID;
use sheaf_optimizer::any_numeric;

use crate::postgres::PG_CATALOG;

/// The types of a session.
#[derive(Debug)]
pub(super) struct SqlTypes {
    /// The zone that timestamps with time zone have.
    pub(super) zone: Option<String>,
}

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> EngineResult<Option<FieldRef>> {
        use ast::DataType as Sql;
        Ok(match sql_type {
            Sql::Numeric(ExactNumberInfo::None)
            | Sql::Decimal(ExactNumberInfo::None)
            | Sql::Dec(ExactNumberInfo::None) => Some(any_numeric()),
            Sql::Timestamp(None, zone) => Some(self.timestamp(*zone)),
            Sql::Custom(name, arguments) if arguments.is_empty() => match catalog_name(name) {
                Some(name) => self.of_catalog(name)?,
                None => VariantTypes.plan_type_field(sql_type)?,
            },
            other => VariantTypes.plan_type_field(other)?,
        })
    }
}

/// The name of a type that is called by its schema: `"pg_catalog"."int8"`.
fn catalog_name(name: &ast::ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [schema, name] if schema.as_ident()?.value.eq_ignore_ascii_case(PG_CATALOG) => {
            Some(&name.as_ident()?.value)
        }
        _ => None,
    }
}

impl SqlTypes {
    /// PostgreSQL's own names of types, as drivers write them into casts.
    fn of_catalog(&self, name: &str) -> EngineResult<Option<FieldRef>> {
        let data_type = match name.to_lowercase().as_str() {
            "bool" => DataType::Boolean,
            "int2" => DataType::Int16,
            "int4" => DataType::Int32,
            "int8" => DataType::Int64,
            "float4" => DataType::Float32,
            "float8" => DataType::Float64,
            "numeric" => return Ok(Some(any_numeric())),
            "text" | "varchar" | "bpchar" => DataType::Utf8View,
            "bytea" => DataType::Binary,
            "date" => DataType::Date32,
            "time" => DataType::Time64(TimeUnit::Nanosecond),
            "timestamp" => return Ok(Some(self.timestamp(TimezoneInfo::None))),
            "timestamptz" => return Ok(Some(self.timestamp(TimezoneInfo::Tz))),
            "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
            "uuid" => UUID,
            "json" | "jsonb" => return VariantTypes.plan_type_field(&ast::DataType::JSON),
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }

    fn timestamp(&self, zone: TimezoneInfo) -> FieldRef {
        let zone = match zone {
            TimezoneInfo::Tz | TimezoneInfo::WithTimeZone => self.zone.as_deref(),
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => None,
        };
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        Arc::new(Field::new("", data_type, true))
    }
}

//! Aggregates that stand for expressions of others: `geomean(x)` for `exp(avg(ln(x)))`.
//!
//! They are replaced where the SQL planner asks about one call, since what they stand for is no
//! aggregate itself, but an expression around several.

use arrow::datatypes::DataType;
use datafusion::common::{Result, utils::take_function_args};
use datafusion::functions::expr_fn::{exp, ln, nullif, power, sqrt};
use datafusion::functions_aggregate::{
    array_agg::array_agg_udaf, average::avg_udaf, count::count_udaf, sum::sum_udaf,
};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::planner::RawAggregateExpr;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, Signature, Volatility, cast,
    lit,
};
use sheaf_base::SheafError;

use super::extremes;
use crate::scalar::list_mad;
use crate::shorthand::section;

/// Name, other names, expression, sentence.
type Expansion = (
    &'static str,
    &'static [&'static str],
    fn(&Call, Expr) -> Expr,
    &'static str,
);

const EXPANSIONS: &[Expansion] = &[
    (
        "geomean",
        &["geometric_mean"],
        |call, x| exp(call.of(avg_udaf(), ln(x))),
        "The geometric mean.",
    ),
    (
        "sem",
        &[],
        |call, x| {
            let count = cast(call.of(count_udaf(), x.clone()), DataType::Float64);
            let deviation = call.of(
                datafusion::functions_aggregate::stddev::stddev_pop_udaf(),
                x,
            );
            deviation / sqrt(nullif(count, lit(0.0)))
        },
        "The standard error of the mean.",
    ),
    ("skewness", &[], skewness, "The skewness of a sample."),
    (
        "kurtosis",
        &[],
        kurtosis,
        "The excess kurtosis of a sample.",
    ),
    (
        "mad",
        &["median_absolute_deviation"],
        |call, x| list_mad::call(call.of(array_agg_udaf(), x)),
        "The median of the distances from the median.",
    ),
    (
        "kurtosis_pop",
        &[],
        kurtosis_pop,
        "The excess kurtosis of a population.",
    ),
];

/// The functions to be registered.
pub(super) fn functions() -> Vec<AggregateUDF> {
    EXPANSIONS
        .iter()
        .map(|(name, aliases, _, sentence)| {
            AggregateUDF::from(Expanded {
                name,
                aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
                signature: Signature::any(1, Volatility::Immutable),
                documentation: Documentation::builder(
                    section("Statistical Functions"),
                    *sentence,
                    format!("{name}(expression)"),
                )
                .build(),
            })
        })
        .collect()
}

/// What a call stands for, if it is one of these functions.
///
/// # Errors
/// If it has another number of arguments than one.
pub(crate) fn expand(call: &RawAggregateExpr) -> Result<Option<Expr>> {
    if let Some(extremes) = extremes::expand(call) {
        return Ok(Some(extremes));
    }
    if let Some(list) = each_share(call) {
        return Ok(Some(list));
    }
    let name = call.func.name();
    let Some((_, _, expand, _)) = EXPANSIONS.iter().find(|(known, ..)| *known == name) else {
        return Ok(None);
    };
    let [x] = take_function_args(name, call.args.clone())?;
    Ok(Some(expand(&Call(call), cast(x, DataType::Float64))))
}

/// `approx_quantile(x, [a, b])` as a list of a call for each share.
fn each_share(call: &RawAggregateExpr) -> Option<Expr> {
    let (true, [x, Expr::ScalarFunction(shares)]) =
        (call.func.name() == "approx_percentile_cont", &call.args[..])
    else {
        return None;
    };
    if shares.func.name() != "make_array" {
        return None;
    }
    let one = |share: &Expr| {
        Expr::AggregateFunction(AggregateFunction::new_udf(
            std::sync::Arc::clone(&call.func),
            vec![x.clone(), share.clone()],
            call.distinct,
            call.filter.clone(),
            call.order_by.clone(),
            None,
        ))
    };
    Some(make_array(shares.args.iter().map(one).collect()))
}

/// The call that is replaced: its DISTINCT and FILTER are those of all parts.
struct Call<'a>(&'a RawAggregateExpr);

impl Call<'_> {
    fn of(&self, function: std::sync::Arc<AggregateUDF>, argument: Expr) -> Expr {
        Expr::AggregateFunction(AggregateFunction::new_udf(
            function,
            vec![argument],
            self.0.distinct,
            self.0.filter.clone(),
            Vec::new(),
            None,
        ))
    }

    fn count(&self, x: &Expr) -> Expr {
        cast(self.of(count_udaf(), x.clone()), DataType::Float64)
    }

    /// The mean of the powers of x.
    fn moment(&self, x: &Expr, exponent: f64) -> Expr {
        let power = power(x.clone(), lit(exponent));
        self.of(sum_udaf(), power) / nullif(self.count(x), lit(0.0))
    }
}

/// `sqrt(n (n - 1)) / (n - 2) * m3 / m2^1.5`, with central moments from power means.
fn skewness(call: &Call, x: Expr) -> Expr {
    let n = || call.count(&x);
    let [m1, m2, m3] = [1.0, 2.0, 3.0].map(|exponent| call.moment(&x, exponent));
    let variance = m2.clone() - power(m1.clone(), lit(2.0));
    let third = m3 - lit(3.0) * m1.clone() * m2 + lit(2.0) * power(m1, lit(3.0));
    let bias = sqrt(n() * (n() - lit(1.0))) / nullif(n() - lit(2.0), lit(0.0));
    bias * third / nullif(power(variance, lit(1.5)), lit(0.0))
}

/// `(n - 1) / ((n - 2) (n - 3)) * ((n + 1) * m4 / m2² - 3 (n - 1))`
fn kurtosis(call: &Call, x: Expr) -> Expr {
    let n = || call.count(&x);
    let ratio = fourth_moment_ratio(call, &x);
    let scale = (n() - lit(1.0)) / nullif((n() - lit(2.0)) * (n() - lit(3.0)), lit(0.0));
    scale * ((n() + lit(1.0)) * ratio - lit(3.0) * (n() - lit(1.0)))
}

/// `m4 / m2² - 3`
fn kurtosis_pop(call: &Call, x: Expr) -> Expr {
    fourth_moment_ratio(call, &x) - lit(3.0)
}

/// `m4 / m2²`, of central moments.
fn fourth_moment_ratio(call: &Call, x: &Expr) -> Expr {
    let [m1, m2, m3, m4] = [1.0, 2.0, 3.0, 4.0].map(|exponent| call.moment(x, exponent));
    let variance = m2.clone() - power(m1.clone(), lit(2.0));
    let fourth = m4 - lit(4.0) * m1.clone() * m3 + lit(6.0) * power(m1.clone(), lit(2.0)) * m2
        - lit(3.0) * power(m1, lit(4.0));
    fourth / nullif(power(variance, lit(2.0)), lit(0.0))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Expanded {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl AggregateUDFImpl for Expanded {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        // Window functions are not replaced.
        Err(SheafError::unsupported(format!(
            "{} is not supported as a window function",
            self.name
        ))
        .into())
    }

    fn state_fields(&self, _args: StateFieldsArgs) -> Result<Vec<arrow::datatypes::FieldRef>> {
        Ok(Vec::new())
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

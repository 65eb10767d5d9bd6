//! A fold as an aggregate function of the engine.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    Signature, Volatility,
};

use super::Fold;
use super::accumulators::{FoldGroups, FoldOne};
use super::assign::{check_arguments, coerced};

pub(super) fn function(fold: Fold) -> AggregateUDF {
    AggregateUDF::from(FoldAggregate {
        fold: Arc::new(fold),
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

pub(super) fn fold_of(function: &AggregateUDF) -> Option<&Arc<Fold>> {
    let function = function.inner().downcast_ref::<FoldAggregate>();
    function.map(|aggregate| &aggregate.fold)
}

#[derive(Debug)]
struct FoldAggregate {
    fold: Arc<Fold>,
    signature: Signature,
}

/// One of the same name may have been replaced.
impl PartialEq for FoldAggregate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fold, &other.fold)
    }
}

impl Eq for FoldAggregate {}

impl Hash for FoldAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.fold).hash(state);
    }
}

impl AggregateUDFImpl for FoldAggregate {
    fn name(&self) -> &str {
        self.fold.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerced(&self.fold, types))
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        check_arguments(&self.fold, types)?;
        Ok(self.fold.parts.result.clone())
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(FoldOne::new(&self.fold)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = |column: &str| format_state_name(args.name, column);
        let seen = Field::new(name("has seen a row"), DataType::Boolean, true);
        let columns = self.fold.parts.state.iter();
        let columns =
            columns.map(|column| Field::new(name(column.name()), column.data_type().clone(), true));
        Ok(std::iter::once(seen).chain(columns).map(Arc::new).collect())
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(FoldGroups::new(&self.fold)))
    }

    /// Calls with ORDER BY are planned otherwise.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    /// Of no rows, for sub-queries that find none. NULL if FINISH fails for INIT: it is asked for
    /// also where every sub-query finds rows.
    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        let result = FoldOne::new(&self.fold).evaluate();
        result.or_else(|_| ScalarValue::try_from(data_type))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.fold.documentation)
    }
}

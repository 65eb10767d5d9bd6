//! An aggregate function of the user's own as a function of the engine.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};
use sheaf_udf::CallContext;

use super::accumulators::{UserGroup, UserGroups};
use super::{AggregateDefinition, declared_types};
use crate::gathered::OverLists;

/// The function of `definition` for one statement, under the name `key`.
#[must_use]
pub fn aggregate(
    key: &str,
    definition: &Arc<AggregateDefinition>,
    context: &CallContext,
) -> AggregateUDF {
    AggregateUDF::from(UserAggregate {
        key: key.to_owned(),
        signature: Signature::user_defined(definition.declaration.volatility),
        definition: Arc::clone(definition),
        context: context.clone(),
    })
}

/// Whether `function` is an aggregate of the user's own, bound to one statement.
#[must_use]
pub fn is_aggregate(function: &AggregateUDF) -> bool {
    function.inner().is::<UserAggregate>()
}

/// `function` over lists of rows, if it is an aggregate of the user's own.
pub(crate) fn over_lists(function: &AggregateUDF) -> Option<Arc<dyn OverLists>> {
    let function = function.inner().downcast_ref::<UserAggregate>()?;
    Some(Arc::new(function.clone()))
}

impl OverLists for UserAggregate {
    fn name(&self) -> &str {
        &self.definition.declaration.name
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.definition).addr()
    }

    fn arguments(&self) -> Fields {
        let parameters = self.definition.declaration.parameters.iter();
        let types = self.definition.declaration.value_types();
        let fields = parameters.zip(types);
        fields
            .map(|(parameter, data_type)| Field::new(&parameter.name, data_type.clone(), true))
            .collect()
    }

    fn result(&self) -> &DataType {
        &self.definition.returns
    }

    fn coerced(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        declared_types(&self.definition.declaration, types)
    }

    fn check(&self, types: &[DataType]) -> Result<()> {
        declared_types(&self.definition.declaration, types).map(drop)
    }

    fn is_always_gathered(&self) -> bool {
        false
    }

    /// # Memory
    /// A group for each list, which the function holds.
    fn lists(&self, lists: &ArrayRef, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let lists = lists.as_list::<i32>();
        let mut list_of_row = Vec::with_capacity(lists.values().len());
        let mut rows: Vec<u32> = Vec::with_capacity(lists.values().len());
        for (at, bounds) in lists.value_offsets().windows(2).enumerate() {
            if let ([from, to], true) = (bounds, lists.is_valid(at)) {
                let (from, to) = (from.cast_unsigned(), to.cast_unsigned());
                rows.extend(from..to);
                list_of_row.resize(rows.len(), at);
            }
        }
        let rows = UInt32Array::from(rows);
        let arguments = arguments.iter().map(|argument| take(argument, &rows, None));
        let arguments = arguments.collect::<std::result::Result<Vec<_>, _>>()?;
        let groups = UserGroups::new(&self.definition, &self.context)?;
        groups.of_lists(&arguments, &list_of_row, lists.len())
    }
}

#[derive(Debug, Clone)]
struct UserAggregate {
    key: String,
    signature: Signature,
    definition: Arc<AggregateDefinition>,
    context: CallContext,
}

/// One of the same name may have been replaced.
impl PartialEq for UserAggregate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.definition, &other.definition)
    }
}

impl Eq for UserAggregate {}

impl Hash for UserAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.definition).hash(state);
    }
}

impl UserAggregate {
    fn groups(&self) -> Result<UserGroups> {
        UserGroups::new(&self.definition, &self.context)
    }
}

impl AggregateUDFImpl for UserAggregate {
    fn name(&self) -> &str {
        &self.key
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        declared_types(&self.definition.declaration, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.definition.returns.clone())
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(UserGroup::new(self.groups()?)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let types = self.definition.function.state_types().into_iter();
        let fields = types.enumerate().map(|(at, data_type)| {
            let name = format_state_name(args.name, &format!("state {at}"));
            Arc::new(Field::new(name, data_type, true))
        });
        Ok(fields.collect())
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.groups()?))
    }

    /// Calls with ORDER BY are planned otherwise.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    /// Of no rows, for sub-queries that find none.
    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        UserGroup::new(self.groups()?).evaluate()
    }
}

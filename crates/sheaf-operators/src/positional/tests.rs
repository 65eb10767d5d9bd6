//! Positional joins against both sides' rows written beside each other.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};

use super::PositionalJoinExec;
use crate::testing::Lottery;

fn schema(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]))
}

/// The numbers 0 to `row_count` in batches of random sizes, some of them empty.
fn side(name: &str, row_count: i64, lottery: &mut Lottery) -> Arc<dyn ExecutionPlan> {
    let mut batches = vec![];
    let mut next = 0;
    while next < row_count {
        let end = row_count.min(next + i64::try_from(lottery.below(9)).unwrap());
        let numbers = Int64Array::from_iter_values(next..end);
        batches.push(RecordBatch::try_new(schema(name), vec![Arc::new(numbers)]).unwrap());
        next = end;
    }
    MemorySourceConfig::try_new_exec(&[batches], schema(name), None).unwrap()
}

#[tokio::test]
async fn rows_stand_beside_each_other_whatever_the_batches() {
    let mut lottery = Lottery::new(7);
    for (left_count, right_count) in [(0, 0), (0, 5), (5, 0), (40, 40), (41, 7), (3, 90)] {
        let left = side("a", left_count, &mut lottery);
        let right = side("b", right_count, &mut lottery);
        let fields = [left.schema(), right.schema()].map(|schema| schema.field(0).clone());
        let joined: SchemaRef = Arc::new(Schema::new(fields.to_vec()));
        let join = PositionalJoinExec::try_new(left, right, Arc::clone(&joined)).unwrap();
        let batches = collect(Arc::new(join), Arc::new(TaskContext::default()))
            .await
            .unwrap();
        let rows = concat_batches(&joined, &batches).unwrap();
        assert_eq!(
            rows.num_rows(),
            usize::try_from(left_count.max(right_count)).unwrap()
        );
        for (column, count) in [(0, left_count), (1, right_count)] {
            let numbers = rows.column(column).as_primitive::<Int64Type>();
            assert_eq!(
                numbers.null_count(),
                rows.num_rows() - usize::try_from(count).unwrap()
            );
            let found: Vec<i64> = numbers.iter().map_while(|number| number).collect();
            assert_eq!(found, (0..count).collect::<Vec<_>>());
        }
    }
}

//! `span_number(value, first_seen, last_seen)`: which span of its value a row of a window belongs to.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};

use super::scalar::About;

/// Rows of one value that lie no further apart belong together, whatever was seen between them; µs.
const TOGETHER: i64 = 3_600_000_000;

/// The SQL function.
pub(super) fn udf() -> WindowUDF {
    let documentation = About {
        section: "Rows",
        description: "The number of the span, from 1, that a row belongs to among the rows of its value. Neighbours of a value belong to one span unless another value of the window begins or ends between them and they lie more than an hour apart. Rows of one value do not overlap; their order does not matter. NULL where an argument is.",
        syntax: "span_number(value, first_seen, last_seen) over (partition by …)",
        example: "select value, hour, span_number(value, first_seen, last_seen) over (partition by connector_id, server) as span from observations where kind = 'egress';",
        arguments: &[
            ("value", "What was shown, of any type that can be sorted"),
            ("first_seen", "When the row begins, a timestamp"),
            ("last_seen", "When it ends, a timestamp"),
        ],
    }
    .documentation();
    WindowUDF::from(SpanNumber {
        signature: Signature::any(3, Volatility::Immutable),
        documentation,
    })
}

#[derive(Debug)]
struct SpanNumber {
    signature: Signature,
    documentation: Documentation,
}

impl PartialEq for SpanNumber {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SpanNumber {}

impl Hash for SpanNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        "span_number".hash(state);
    }
}

impl WindowUDFImpl for SpanNumber {
    fn name(&self) -> &str {
        "span_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Spans))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        for time in &args.input_fields()[1..] {
            if !matches!(time.data_type(), DataType::Timestamp(_, _)) {
                let (name, is) = (time.name(), time.data_type());
                return plan_err!("span_number takes timestamps, and {name} is {is}");
            }
        }
        Ok(Arc::new(Field::new(args.name(), DataType::Int64, true)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The spans of one window, which is answered as a whole.
#[derive(Debug)]
struct Spans;

impl PartitionEvaluator for Spans {
    fn evaluate_all(&mut self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let value = SortField::new(columns[0].data_type().clone());
        let values = RowConverter::new(vec![value])?.convert_columns(&columns[..1])?;
        let (first, last) = (times(&columns[1])?, times(&columns[2])?);
        let (first, last) = (first.values(), last.values());

        let known = |at: &usize| columns.iter().all(|column| column.is_valid(*at));
        let mut order: Vec<usize> = (0..rows).filter(known).collect();
        let mut ends: Vec<i64> = order
            .iter()
            .flat_map(|at| [first[*at], last[*at]])
            .collect();
        ends.sort_unstable();
        order.sort_unstable_by_key(|at| (values.row(*at), first[*at], last[*at]));

        let mut numbers = vec![None; rows];
        let mut before: Option<(usize, i64)> = None;
        for at in order {
            let number = match before {
                Some((row, number)) if values.row(row) == values.row(at) => {
                    let (end, begin) = (last[row], first[at]);
                    number + i64::from(begin > end + TOGETHER && any_between(&ends, end, begin))
                }
                _ => 1,
            };
            numbers[at] = Some(number);
            before = Some((at, number));
        }
        Ok(Arc::new(Int64Array::from(numbers)))
    }
}

/// Whether one of the sorted times lies between two, both left out.
fn any_between(times: &[i64], after: i64, before: i64) -> bool {
    let next = times.partition_point(|time| *time <= after);
    times.get(next).is_some_and(|time| *time < before)
}

/// A column of timestamps in microseconds.
fn times(column: &ArrayRef) -> Result<Int64Array> {
    let DataType::Timestamp(_, zone) = column.data_type() else {
        return plan_err!("span_number takes timestamps, not {}", column.data_type());
    };
    let micros = cast(
        column,
        &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
    )?;
    Ok(micros
        .as_primitive::<TimestampMicrosecondType>()
        .reinterpret_cast::<Int64Type>())
}

//! `min_row(a, b, …)`: the least row of a group, compared by `a`, then `b`, and so on.
//!
//! What `first_value(x order by …)` answers for each column one by one, with every key copied for
//! every column and group, this answers once: a row is turned into bytes that compare as its values
//! do (arrow's row format), and the least bytes are kept.

use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, StructArray};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    Signature, Volatility,
};

use super::scalar::About;

/// The SQL function.
pub(super) fn udf() -> AggregateUDF {
    let documentation = About {
        section: "Rows",
        description: "The least row of a group: compared by the first argument, then by the second, and so on, NULL last. The answer is a struct with the fields c0, c1, …: what stands beside the earliest time, the same however the rows come.",
        syntax: "min_row(a, b, …)",
        example: "select min_row(first_seen, first_session_id)['c1'] from observations; -- the earliest session",
        arguments: &[("a, b, …", "Values of any type that can be sorted, at least one")],
    }
    .documentation();
    AggregateUDF::from(MinRow {
        signature: Signature::variadic_any(Volatility::Immutable),
        documentation,
    })
}

#[derive(Debug)]
struct MinRow {
    signature: Signature,
    documentation: Documentation,
}

impl PartialEq for MinRow {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for MinRow {}

impl Hash for MinRow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        "min_row".hash(state);
    }
}

impl AggregateUDFImpl for MinRow {
    fn name(&self) -> &str {
        "min_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields(types)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format!("{}[least]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Least::new(args.return_field.data_type())?))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Least::new(args.return_field.data_type())?))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn fields(types: &[DataType]) -> Fields {
    let field =
        |(at, data_type): (usize, &DataType)| Field::new(format!("c{at}"), data_type.clone(), true);
    types.iter().enumerate().map(field).collect()
}

/// The least row of each group, as bytes; `None` before the first.
#[derive(Debug)]
struct Least {
    fields: Fields,
    converter: RowConverter,
    rows: Vec<Option<Box<[u8]>>>,
    bytes: usize,
}

impl Least {
    fn new(returned: &DataType) -> Result<Self> {
        let DataType::Struct(fields) = returned else {
            return exec_err!("min_row returns a struct, not {returned}");
        };
        let nulls_last = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let sorted = fields
            .iter()
            .map(|field| SortField::new_with_options(field.data_type().clone(), nulls_last));
        Ok(Least {
            fields: fields.clone(),
            converter: RowConverter::new(sorted.collect())?,
            rows: Vec::new(),
            bytes: 0,
        })
    }

    fn offer(&mut self, group: usize, row: &[u8]) {
        let least = &mut self.rows[group];
        if least.as_deref().is_some_and(|least| least <= row) {
            return;
        }
        self.bytes += row.len();
        self.bytes -= least.replace(row.into()).map_or(0, |least| least.len());
    }

    /// Hands out the first groups, or all.
    fn take(&mut self, emit: EmitTo) -> Vec<Option<Box<[u8]>>> {
        let rows = emit.take_needed(&mut self.rows);
        self.bytes -= rows.iter().flatten().map(|row| row.len()).sum::<usize>();
        rows
    }

    fn structs(&self, rows: &[Option<Box<[u8]>>]) -> Result<ArrayRef> {
        let present: Vec<bool> = rows.iter().map(Option::is_some).collect();
        // A group without a row (every row was filtered out) is NULL, whatever stands in its fields.
        let stand_in = rows.iter().flatten().next();
        let Some(stand_in) = stand_in else {
            return Ok(Arc::new(StructArray::new_null(
                self.fields.clone(),
                rows.len(),
            )));
        };
        let parser = self.converter.parser();
        let parsed = rows
            .iter()
            .map(|row| parser.parse(row.as_ref().unwrap_or(stand_in)));
        let columns = self.converter.convert_rows(parsed)?;
        Ok(Arc::new(StructArray::try_new(
            self.fields.clone(),
            columns,
            Some(present.into()),
        )?))
    }
}

fn counts(filter: Option<&BooleanArray>, at: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at))
}

impl GroupsAccumulator for Least {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.rows.resize(total, None);
        let rows = self.converter.convert_columns(values)?;
        for (at, group) in groups
            .iter()
            .enumerate()
            .filter(|(at, _)| counts(filter, *at))
        {
            self.offer(*group, rows.row(at).as_ref());
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.rows.resize(total, None);
        for (row, group) in values[0].as_binary::<i32>().iter().zip(groups) {
            if let Some(row) = row {
                self.offer(*group, row);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let rows = self.take(emit);
        self.structs(&rows)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let rows = self.take(emit);
        let rows: BinaryArray = rows.iter().map(Option::as_deref).collect();
        Ok(vec![Arc::new(rows)])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = self.converter.convert_columns(values)?;
        let rows = rows
            .iter()
            .enumerate()
            .map(|(at, row)| counts(filter, at).then_some(row));
        let rows: Vec<_> = rows.collect();
        let rows: BinaryArray = rows
            .iter()
            .map(|row| row.as_ref().map(AsRef::as_ref))
            .collect();
        Ok(vec![Arc::new(rows)])
    }

    fn size(&self) -> usize {
        self.bytes + self.rows.capacity() * size_of::<Option<Box<[u8]>>>() + self.converter.size()
    }
}

/// Without groups: one group.
impl Accumulator for Least {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; values[0].len()];
        GroupsAccumulator::update_batch(self, values, &groups, None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; states[0].len()];
        GroupsAccumulator::merge_batch(self, states, &groups, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.rows.resize(1, None);
        ScalarValue::try_from_array(&self.structs(&self.rows)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.rows.resize(1, None);
        Ok(vec![ScalarValue::Binary(
            self.rows[0].as_deref().map(<[u8]>::to_vec),
        )])
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self)
    }
}

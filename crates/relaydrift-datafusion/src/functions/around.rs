//! `around(at, known)`: for each time that is asked about, what of the known times lies before and after it.
//!
//! Questions and known times come as the rows of a union. What a window over both would answer row by row, this
//! answers for a whole group: both are gathered, sorted once, and walked through together.

use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Builder, ListArray, StructArray,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Fields, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue};
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
        description: "For each time of a group that is asked about, what of the group's known times lies around it: a list of structs with at, until (how many known times are not later), after (how many are later), last (the latest that is earlier) and next (the earliest that is later). Sorted by at, each once; NULLs of both arguments are left out, so that questions and known times can be the rows of a union.",
        syntax: "around(at, known)",
        example: "select unnest(around(asked, proved)) from (select last_seen as asked, null as proved from spans union all select null as asked, at as proved from proved_relays); -- the proofs around the end of each span",
        arguments: &[
            ("at", "A time that is asked about"),
            ("known", "A time to be found; as often as it stands there it counts"),
        ],
    }
    .documentation();
    AggregateUDF::from(Around {
        signature: Signature::exact(vec![time(), time()], Volatility::Immutable),
        documentation,
    })
}

#[derive(Debug)]
struct Around {
    signature: Signature,
    documentation: Documentation,
}

impl PartialEq for Around {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Around {}

impl Hash for Around {
    fn hash<H: Hasher>(&self, state: &mut H) {
        "around".hash(state);
    }
}

impl AggregateUDFImpl for Around {
    fn name(&self) -> &str {
        "around"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item(DataType::Struct(fields()))))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |part: &str| {
            let name = format!("{}[{part}]", args.name);
            Arc::new(Field::new(name, DataType::List(item(time())), true))
        };
        Ok(vec![list("asked"), list("known")])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Gathered::default()))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Gathered::default()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn item(of: DataType) -> FieldRef {
    Arc::new(Field::new("item", of, true))
}

fn fields() -> Fields {
    let field = |name: &str, of: DataType| Field::new(name, of, true);
    Fields::from(vec![
        field("at", time()),
        field("until", DataType::Int64),
        field("after", DataType::Int64),
        field("last", time()),
        field("next", time()),
    ])
}

/// The times of one group, microseconds since 1970, as they came.
#[derive(Debug, Default, Clone)]
struct Times {
    asked: Vec<i64>,
    known: Vec<i64>,
}

/// The times of each group.
#[derive(Debug, Default)]
struct Gathered {
    groups: Vec<Times>,
    /// Times held.
    count: usize,
}

impl Gathered {
    fn add(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>) {
        let times = |at: usize| values[at].as_primitive::<TimestampMicrosecondType>();
        let (asked, known) = (times(0), times(1));
        for (at, group) in groups.iter().enumerate() {
            if filter.is_some_and(|filter| filter.is_null(at) || !filter.value(at)) {
                continue;
            }
            let group = &mut self.groups[*group];
            if asked.is_valid(at) {
                group.asked.push(asked.value(at));
                self.count += 1;
            }
            if known.is_valid(at) {
                group.known.push(known.value(at));
                self.count += 1;
            }
        }
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[usize]) {
        let (asked, known) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for (at, group) in groups.iter().enumerate() {
            let group = &mut self.groups[*group];
            for (list, times) in [(asked, &mut group.asked), (known, &mut group.known)] {
                let list = list.value(at);
                times.extend_from_slice(list.as_primitive::<TimestampMicrosecondType>().values());
                self.count += list.len();
            }
        }
    }

    /// Hands out the first groups, or all.
    fn take(&mut self, emit: EmitTo) -> Vec<Times> {
        let groups = emit.take_needed(&mut self.groups);
        let held = groups
            .iter()
            .map(|group| group.asked.len() + group.known.len());
        self.count -= held.sum::<usize>();
        groups
    }
}

fn states(groups: &[Times]) -> Result<Vec<ArrayRef>> {
    let list = |part: fn(&Times) -> &Vec<i64>| -> Result<ArrayRef> {
        let lengths = groups.iter().map(|group| part(group).len());
        let times = groups.iter().flat_map(|group| part(group).iter().copied());
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(item(time()), offsets, Arc::new(times), None)?;
        Ok(Arc::new(list))
    };
    Ok(vec![
        list(|group| &group.asked)?,
        list(|group| &group.known)?,
    ])
}

fn answers(groups: Vec<Times>) -> Result<ArrayRef> {
    let times = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let (mut at, mut last, mut next) = (times(), times(), times());
    let (mut until, mut after) = (Int64Builder::new(), Int64Builder::new());
    let mut lengths = Vec::with_capacity(groups.len());
    for Times {
        mut asked,
        mut known,
    } in groups
    {
        asked.sort_unstable();
        asked.dedup();
        known.sort_unstable();
        lengths.push(asked.len());
        // Of the known times, how many are earlier, and how many not later, than the one asked about.
        let (mut earlier, mut reached) = (0, 0);
        for time in asked {
            earlier += known[earlier..]
                .iter()
                .take_while(|known| **known < time)
                .count();
            reached = reached.max(earlier);
            reached += known[reached..]
                .iter()
                .take_while(|known| **known <= time)
                .count();
            at.append_value(time);
            until.append_value(reached as i64);
            after.append_value((known.len() - reached) as i64);
            last.append_option(earlier.checked_sub(1).map(|before| known[before]));
            next.append_option(known.get(reached).copied());
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(at.finish()),
        Arc::new(until.finish()),
        Arc::new(after.finish()),
        Arc::new(last.finish()),
        Arc::new(next.finish()),
    ];
    let structs = StructArray::try_new(fields(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(
        item(DataType::Struct(fields())),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(structs),
        None,
    )?))
}

impl GroupsAccumulator for Gathered {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.groups.resize_with(total, Times::default);
        self.add(values, groups, filter);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.groups.resize_with(total, Times::default);
        self.merge(states, groups);
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        answers(self.take(emit))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        states(&self.take(emit))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows: Vec<usize> = (0..values[0].len()).collect();
        let mut each = Gathered::default();
        GroupsAccumulator::update_batch(&mut each, values, &rows, filter, rows.len())?;
        states(&each.groups)
    }

    fn size(&self) -> usize {
        self.count * size_of::<i64>() + self.groups.capacity() * size_of::<Times>()
    }
}

/// Without groups: one group.
impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; values[0].len()];
        GroupsAccumulator::update_batch(self, values, &groups, None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; states[0].len()];
        GroupsAccumulator::merge_batch(self, states, &groups, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.resize_with(1, Times::default);
        ScalarValue::try_from_array(&answers(self.groups.clone())?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.groups.resize_with(1, Times::default);
        let states = states(&self.groups)?;
        states
            .iter()
            .map(|state| ScalarValue::try_from_array(state, 0))
            .collect()
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self)
    }
}

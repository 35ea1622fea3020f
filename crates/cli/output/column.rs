//! A column as the formats see it: a dozen kinds of value, whatever the Arrow type.

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray,
    StringArray, StructArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::sync::Arc;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that may not fit an i64.
    UInt(u64),
    /// A number; may be NaN or infinite.
    Float(f64),
    /// A decimal number, in digits.
    Decimal(&'a str),
    /// Microseconds since 1970, UTC.
    Time(i64),
    /// Text.
    Text(&'a str),
    /// Bytes that need not be text.
    Bytes(&'a [u8]),
    /// Several values.
    List(Vec<Value<'a>>),
    /// Named values.
    Record(Vec<(&'a str, Value<'a>)>),
}

/// A column, brought to one of few array types.
pub enum Column {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float64Array),
    Decimal(StringArray),
    Time(TimestampMicrosecondArray),
    Text(StringArray),
    Bytes(BinaryArray),
    List(ListArray, Box<Column>),
    Record(StructArray, Vec<(String, Column)>),
}

impl Column {
    /// Reads any array; types without a kind of their own (durations, maps, dates) become text.
    pub fn new(array: &ArrayRef) -> Result<Column> {
        let to = |data_type: &DataType| {
            cast(array, data_type).with_context(|| format!("cannot show a {}", array.data_type()))
        };
        Ok(match array.data_type() {
            DataType::Null => Column::Null,
            DataType::Boolean => Column::Bool(array.as_boolean().clone()),
            DataType::UInt64 => Column::UInt(array.as_primitive().clone()),
            kind if kind.is_integer() => Column::Int(to(&DataType::Int64)?.as_primitive().clone()),
            kind if kind.is_floating() => {
                Column::Float(to(&DataType::Float64)?.as_primitive().clone())
            }
            kind if kind.is_decimal() => Column::Decimal(to(&DataType::Utf8)?.as_string().clone()),
            DataType::Timestamp(_, _) => {
                let utc = DataType::Timestamp(TimeUnit::Microsecond, None);
                Column::Time(to(&utc)?.as_primitive().clone())
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Column::Text(to(&DataType::Utf8)?.as_string().clone())
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                Column::Bytes(to(&DataType::Binary)?.as_binary().clone())
            }
            DataType::Dictionary(_, values) => Column::new(&to(values)?)?,
            DataType::List(_) => {
                let list: &ListArray = array.as_list();
                Column::List(list.clone(), Box::new(Column::new(list.values())?))
            }
            DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::FixedSizeList(item, _) => {
                let item = Field::new("item", item.data_type().clone(), true);
                Column::new(&to(&DataType::List(Arc::new(item)))?)?
            }
            DataType::Struct(fields) => {
                let record = array.as_struct();
                let columns = fields.iter().zip(record.columns());
                let columns = columns
                    .map(|(field, array)| Ok((field.name().clone(), Column::new(array)?)))
                    .collect::<Result<_>>()?;
                Column::Record(record.clone(), columns)
            }
            _ => Column::Text(spelled(array)?),
        })
    }

    /// The cell of one row.
    pub fn value(&self, row: usize) -> Value<'_> {
        match self {
            Column::Null => Value::Null,
            Column::Bool(array) if array.is_valid(row) => Value::Bool(array.value(row)),
            Column::Int(array) if array.is_valid(row) => Value::Int(array.value(row)),
            Column::UInt(array) if array.is_valid(row) => Value::UInt(array.value(row)),
            Column::Float(array) if array.is_valid(row) => Value::Float(array.value(row)),
            Column::Decimal(array) if array.is_valid(row) => Value::Decimal(array.value(row)),
            Column::Time(array) if array.is_valid(row) => Value::Time(array.value(row)),
            Column::Text(array) if array.is_valid(row) => Value::Text(array.value(row)),
            Column::Bytes(array) if array.is_valid(row) => Value::Bytes(array.value(row)),
            Column::List(array, items) if array.is_valid(row) => {
                let bounds = array.value_offsets();
                let range = bounds[row] as usize..bounds[row + 1] as usize;
                Value::List(range.map(|at| items.value(at)).collect())
            }
            Column::Record(array, columns) if array.is_valid(row) => Value::Record(
                columns
                    .iter()
                    .map(|(name, column)| (name.as_str(), column.value(row)))
                    .collect(),
            ),
            _ => Value::Null,
        }
    }

    /// True for text, which a narrow table may cut; half a number or time would be another one.
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Column::Text(_) | Column::Bytes(_) | Column::List(..) | Column::Record(..)
        )
    }

    /// True where a table puts the cells to the right.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Column::Int(_) | Column::UInt(_) | Column::Float(_) | Column::Decimal(_)
        )
    }
}

fn spelled(array: &ArrayRef) -> Result<StringArray> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    (0..array.len())
        .map(|row| match array.is_valid(row) {
            true => Ok(Some(formatter.value(row).try_to_string()?)),
            false => Ok(None),
        })
        .collect()
}

/// The cell as text, for tables and CSV: times as RFC 3339 in UTC, bytes as hex, the values of a
/// list one after the other with `;` between them, no value as nothing.
pub fn text(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Decimal(value) | Value::Text(value) => value.to_string(),
        Value::Time(micros) => relaydrift_parse::time::format(*micros),
        Value::Bytes(bytes) => hex(bytes),
        Value::List(values) => values.iter().map(text).collect::<Vec<_>>().join(";"),
        Value::Record(values) => {
            let pairs = values
                .iter()
                .map(|(name, value)| format!("{name}={}", text(value)));
            pairs.collect::<Vec<_>>().join(";")
        }
    }
}

/// Lower-case hex, two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

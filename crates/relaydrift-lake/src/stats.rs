//! Least and greatest value per column and file, as Delta logs spell them.

use std::collections::BTreeMap;

use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{DataType, Schema, TimestampMicrosecondType};
use arrow::temporal_conversions::timestamp_us_to_datetime;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use relaydrift_ingest::Table;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Columns of free text, whose bounds would help nobody and cost space in every log entry.
pub(crate) const FREE_TEXT: [&str; 9] = [
    "data",
    "context",
    "tls_error",
    "refusal_text",
    "reply_text",
    "unsplit",
    "head_hash",
    "tail_hash",
    "hash",
];

/// The `stats` of an Add action.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    /// Other programs may leave it out.
    #[serde(default)]
    pub(crate) num_records: Option<u64>,
    #[serde(default)]
    min_values: Map<String, Value>,
    #[serde(default)]
    max_values: Map<String, Value>,
    #[serde(default)]
    null_count: Map<String, Value>,
}

/// What is known of the values of one column in one file. No bound: nothing is known, or all
/// values are null.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnStats {
    /// No value is less.
    pub min: Option<Bound>,
    /// No value is greater.
    pub max: Option<Bound>,
    /// How many values are null.
    pub nulls: Option<u64>,
}

/// A bound of a column's values; texts may be cut short, times may be rounded outwards.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Bound {
    /// Of a Boolean column.
    Boolean(bool),
    /// Of an Int32 or Int64 column.
    Int(i64),
    /// Of a Float64 column.
    Float(f64),
    /// Of a Utf8 column, in byte order.
    Text(String),
    /// Of a timestamp column, microseconds since 1970 in UTC.
    Time(i64),
}

impl Stats {
    /// From the footer of a file just written.
    pub(crate) fn of(table: Table, file: &ParquetMetaData) -> Stats {
        let rows = u64::try_from(file.file_metadata().num_rows()).unwrap_or(0);
        let mut stats = Stats {
            num_records: Some(rows),
            ..Stats::default()
        };
        let columns = file.file_metadata().schema_descr();
        let schema = table.schema();
        for (at, column) in columns.columns().iter().enumerate() {
            // The leaf of a list has another path than the column.
            let Ok(field) = schema.field_with_name(&column.path().string()) else {
                continue;
            };
            let groups = file.row_groups();
            let nulls = groups
                .iter()
                .map(|group| group.column(at).statistics()?.null_count_opt());
            if let Some(nulls) = nulls.sum::<Option<u64>>() {
                stats.null_count.insert(field.name().clone(), nulls.into());
            }
            if FREE_TEXT.contains(&field.name().as_str()) {
                continue;
            }
            for (greatest, values) in [
                (false, &mut stats.min_values),
                (true, &mut stats.max_values),
            ] {
                let bound = bound(groups, at, field.data_type(), greatest);
                if let Some(value) = bound.and_then(|bound| bound.to_json(greatest)) {
                    values.insert(field.name().clone(), value);
                }
            }
        }
        stats
    }

    /// By column of the schema.
    pub(crate) fn columns(&self, schema: &Schema) -> BTreeMap<String, ColumnStats> {
        let mut columns = BTreeMap::new();
        for field in schema.fields() {
            let bound = |values: &Map<String, Value>, greatest| {
                Bound::from_json(values.get(field.name())?, field.data_type(), greatest)
            };
            let nulls = self.null_count.get(field.name()).and_then(Value::as_u64);
            let column = ColumnStats {
                min: bound(&self.min_values, false),
                max: bound(&self.max_values, true),
                nulls,
            };
            if column != ColumnStats::default() {
                columns.insert(field.name().clone(), column);
            }
        }
        columns
    }
}

/// The bound over all row groups; [`None`] if one group with values has none.
fn bound(groups: &[RowGroupMetaData], at: usize, kind: &DataType, greatest: bool) -> Option<Bound> {
    let mut total: Option<Bound> = None;
    for group in groups {
        let statistics = group.column(at).statistics()?;
        if statistics.null_count_opt() == u64::try_from(group.num_rows()).ok() {
            continue;
        }
        let bound = Bound::of(statistics, kind, greatest)?;
        total = match total {
            Some(other) if (bound < other) == greatest => Some(other),
            _ => Some(bound),
        };
    }
    total
}

impl Bound {
    fn of(statistics: &Statistics, kind: &DataType, greatest: bool) -> Option<Bound> {
        macro_rules! pick {
            ($values:expr) => {
                if greatest {
                    $values.max_opt()
                } else {
                    $values.min_opt()
                }
            };
        }
        Some(match (statistics, kind) {
            (Statistics::Boolean(values), DataType::Boolean) => Bound::Boolean(*pick!(values)?),
            (Statistics::Int32(values), DataType::Int32) => Bound::Int((*pick!(values)?).into()),
            (Statistics::Int64(values), DataType::Int64) => Bound::Int(*pick!(values)?),
            (Statistics::Int64(values), DataType::Timestamp(..)) => Bound::Time(*pick!(values)?),
            (Statistics::Double(values), DataType::Float64) => Bound::Float(*pick!(values)?),
            (Statistics::ByteArray(values), DataType::Utf8) => {
                Bound::Text(pick!(values)?.as_utf8().ok()?.to_owned())
            }
            _ => return None,
        })
    }

    /// Delta's times have milliseconds: a bound is rounded outwards.
    fn to_json(&self, greatest: bool) -> Option<Value> {
        Some(match self {
            Bound::Boolean(value) => (*value).into(),
            Bound::Int(value) => (*value).into(),
            Bound::Float(value) => serde_json::Number::from_f64(*value)?.into(),
            Bound::Text(value) => value.as_str().into(),
            Bound::Time(value) => {
                let up = if greatest { 999 } else { 0 };
                let time = timestamp_us_to_datetime(
                    value.checked_add(up)?.div_euclid(1000).checked_mul(1000)?,
                )?;
                let text = time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                // Years beyond four digits have no form that all readers know.
                if text.len() == 24 {
                    text.into()
                } else {
                    return None;
                }
            }
        })
    }

    fn from_json(value: &Value, kind: &DataType, greatest: bool) -> Option<Bound> {
        Some(match kind {
            DataType::Boolean => Bound::Boolean(value.as_bool()?),
            DataType::Int32 | DataType::Int64 => Bound::Int(value.as_i64()?),
            DataType::Float64 => Bound::Float(value.as_f64()?),
            DataType::Utf8 => Bound::Text(value.as_str()?.to_owned()),
            DataType::Timestamp(..) => {
                let time = TimestampMicrosecondType::parse(value.as_str()?)?;
                // Other writers cut the greatest value off at milliseconds.
                Bound::Time(time + if greatest { 999 } else { 0 })
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_names_columns() {
        for name in FREE_TEXT {
            let known = Table::ALL
                .iter()
                .any(|table| table.schema().field_with_name(name).is_ok());
            assert!(known, "{name}");
        }
    }

    #[test]
    fn times_are_rounded_outwards() {
        let time = Bound::Time(1_790_000_000_123_456);
        let kind = relaydrift_ingest::timestamp();
        let least = time.to_json(false).unwrap();
        let greatest = time.to_json(true).unwrap();
        assert_eq!(least, "2026-09-21T14:13:20.123Z");
        assert_eq!(greatest, "2026-09-21T14:13:20.124Z");
        assert_eq!(
            Bound::from_json(&least, &kind, false),
            Some(Bound::Time(1_790_000_000_123_000))
        );
        assert_eq!(
            Bound::from_json(&greatest, &kind, true),
            Some(Bound::Time(1_790_000_000_124_999))
        );
        assert_eq!(
            Bound::Time(-1).to_json(false).unwrap(),
            "1969-12-31T23:59:59.999Z"
        );
        assert_eq!(Bound::Time(i64::MAX).to_json(true), None);
        assert_eq!(Bound::Time(400_000_000_000_000_000).to_json(false), None);
    }
}

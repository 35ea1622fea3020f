//! Rows for others in types that every reader of Arrow knows: views of texts and bytes become texts and bytes,
//! dictionaries their values, lists of them lists of those.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

/// The columns in plain types; every one may hold NULL, which a plan does not always know before it has run.
pub fn schema(columns: &Schema) -> SchemaRef {
    let fields = columns.fields().iter();
    let fields = fields.map(|field| Field::new(field.name(), kind(field.data_type()), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows of a batch in the types of `columns`, which [`schema`] has made of those of its plan.
///
/// # Errors
/// A column is none of that type.
pub fn batch(columns: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let fields = columns.fields().iter().zip(batch.columns());
    let arrays = fields.map(
        |(field, array)| match field.data_type() == array.data_type() {
            true => Ok(array.clone()),
            false => cast(array, field.data_type()),
        },
    );
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(columns.clone(), arrays, &options)
}

fn kind(of: &DataType) -> DataType {
    match of {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => kind(value),
        DataType::List(item) | DataType::ListView(item) => DataType::List(plain(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => {
            DataType::LargeList(plain(item))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}

fn plain(field: &FieldRef) -> FieldRef {
    let kind = kind(field.data_type());
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        Array, AsArray, DictionaryArray, ListBuilder, StringViewBuilder,
    };
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn views_and_dictionaries_become_texts() {
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        lists.append_value([Some("EX01"), None]);
        lists.append_null();
        let words: DictionaryArray<Int32Type> = [Some("a"), None].into_iter().collect();
        let rows = RecordBatch::try_from_iter_with_nullable([
            ("servers", Arc::new(lists.finish()) as _, true),
            ("word", Arc::new(words) as _, true),
        ]);
        let rows = rows.unwrap();
        let columns = schema(&rows.schema());
        let rows = batch(&columns, &rows).unwrap();
        let kinds = columns.fields().iter().map(|field| field.data_type());
        let list = DataType::new_list(DataType::Utf8, true);
        assert_eq!(kinds.collect::<Vec<_>>(), [&list, &DataType::Utf8]);
        let servers = rows.column(0).as_list::<i32>();
        assert_eq!(servers.value(0).as_string::<i32>().value(0), "EX01");
        assert!(servers.value(0).is_null(1) && servers.is_null(1));
        assert!(rows.column(1).is_null(1));
    }

    #[test]
    fn rows_without_columns_stay() {
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let rows = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options);
        let rows = batch(&schema(&Schema::empty()), &rows.unwrap()).unwrap();
        assert_eq!(rows.num_rows(), 3);
    }
}

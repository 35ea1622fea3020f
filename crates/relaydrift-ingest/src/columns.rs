//! Builders by column name: the schema alone decides where a column stands.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, RecordBatch,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use relaydrift_parse::{Text, text::lossless};

use crate::Table;
pub(crate) use crate::words::{Prose, Words};

pub(crate) type Utf8 = StringBuilder;
pub(crate) type Bytes = BinaryBuilder;
pub(crate) type Bool = BooleanBuilder;
pub(crate) type Int32 = Int32Builder;
pub(crate) type Int64 = Int64Builder;
pub(crate) type Texts = ListBuilder<StringBuilder>;
pub(crate) type Time = TimestampMicrosecondBuilder;

/// A builder as its column type wants it.
pub(crate) trait Column {
    /// With room for so many rows.
    fn with_room(rows: usize) -> Self;
    fn take(&mut self) -> Result<ArrayRef, ArrowError>;
}

macro_rules! arrow_columns {
    ($($builder:ty: $make:expr;)*) => { $(impl Column for $builder {
        fn with_room(rows: usize) -> Self { $make(rows) }
        fn take(&mut self) -> Result<ArrayRef, ArrowError> { Ok(Arc::new(self.finish())) }
    })* };
}
arrow_columns! {
    Utf8: |rows| Utf8::with_capacity(rows, 0);
    Bytes: |rows| Bytes::with_capacity(rows, 0);
    Bool: Bool::with_capacity;
    Int32: Int32::with_capacity;
    Int64: Int64::with_capacity;
    Texts: |rows| ListBuilder::with_capacity(StringBuilder::new(), rows);
    Time: |rows| Time::with_capacity(rows).with_data_type(crate::timestamp());
}

/// The columns of a table as a batch: of the table's types, but for dictionaries in place of texts.
pub(crate) fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let fields = schema.fields().iter().zip(&columns).map(|(field, column)| {
        let kind = column.data_type();
        match kind {
            DataType::Dictionary(_, text) if **text == *field.data_type() => {
                Arc::new(field.as_ref().clone().with_data_type(kind.clone()))
            }
            _ => field.clone(),
        }
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns)
}

/// A batch without dictionaries.
pub(crate) fn spelled_out(batch: &RecordBatch, table: Table) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()));
    let columns = columns.collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema, columns)
}

/// Declares the builders of one table, a field per column; `finish` puts them into the order of the
/// schema and adds `batch`.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident for $table:expr, { $($column:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        pub(crate) struct $name {
            $(pub(crate) $column: $kind,)*
            row_count: usize,
        }

        impl $name {
            #[allow(dead_code, reason = "a table of many rows is begun with room")]
            pub(crate) fn new() -> Self {
                Self::with_room(0)
            }

            /// With room for so many rows.
            pub(crate) fn with_room(rows: usize) -> Self {
                use $crate::columns::Column;
                $name { $($column: <$kind>::with_room(rows),)* row_count: 0 }
            }

            /// Counts a row whose columns have all been appended.
            pub(crate) fn end_row(&mut self) {
                self.row_count += 1;
            }

            pub(crate) fn len(&self) -> usize {
                self.row_count
            }

            /// The rows so far as a batch, and an empty builder.
            pub(crate) fn finish(
                &mut self,
                batch: i64,
            ) -> Result<arrow::array::RecordBatch, arrow::error::ArrowError> {
                use std::sync::Arc;
                use arrow::array::{ArrayRef, Int64Array};
                let schema = $table.schema();
                let mut built: Vec<(&str, ArrayRef)> =
                    vec![$((stringify!($column), $crate::columns::Column::take(&mut self.$column)?),)*];
                built.push(("batch", Arc::new(Int64Array::from_value(batch, self.row_count))));
                self.row_count = 0;
                let columns = schema.fields().iter().filter_map(|field| {
                    let at = built.iter().position(|(name, _)| name == field.name())?;
                    Some(built.swap_remove(at).1)
                });
                $crate::columns::batch($table, columns.collect())
            }
        }
    };
}
pub(crate) use columns;

/// Appends bytes as text (`\xNN` for what is not UTF-8); nothing where there are none.
pub(crate) fn append(builder: &mut Utf8, bytes: &[u8]) {
    if bytes.is_empty() {
        builder.append_null();
    } else {
        builder.append_value(lossless(bytes));
    }
}

/// Appends a field's value.
pub(crate) fn append_text(builder: &mut Utf8, text: Text<'_>) {
    match text.value() {
        Cow::Borrowed(bytes) => append(builder, bytes),
        Cow::Owned(bytes) => append(builder, &bytes),
    }
}

/// Appends a list of texts; null where it is empty.
pub(crate) fn append_list<T: AsRef<str>>(builder: &mut Texts, values: &[T]) {
    for value in values {
        builder.values().append_value(value.as_ref());
    }
    builder.append(!values.is_empty());
}

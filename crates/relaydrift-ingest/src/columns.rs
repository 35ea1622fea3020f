//! Builders by column name: the schema alone decides where a column stands.

use std::borrow::Cow;

use arrow::array::{
    BinaryBuilder, BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};

use relaydrift_parse::{Text, text::lossless};

pub(crate) type Utf8 = StringBuilder;
pub(crate) type Bytes = BinaryBuilder;
pub(crate) type Bool = BooleanBuilder;
pub(crate) type Int32 = Int32Builder;
pub(crate) type Int64 = Int64Builder;
pub(crate) type Texts = ListBuilder<StringBuilder>;
pub(crate) type Time = TimestampMicrosecondBuilder;

/// A builder as its column type wants it.
pub(crate) trait Column {
    fn make() -> Self;
}

macro_rules! default_column {
    ($($builder:ty),*) => { $(impl Column for $builder {
        fn make() -> Self { Self::new() }
    })* };
}
default_column!(Utf8, Bytes, Bool, Int32, Int64);

impl Column for Texts {
    fn make() -> Self {
        ListBuilder::new(StringBuilder::new())
    }
}

impl Column for Time {
    fn make() -> Self {
        TimestampMicrosecondBuilder::new().with_data_type(crate::timestamp())
    }
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
            pub(crate) fn new() -> Self {
                $name { $($column: <$kind as $crate::columns::Column>::make(),)* row_count: 0 }
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
                    vec![$((stringify!($column), Arc::new(self.$column.finish()) as ArrayRef),)*];
                built.push(("batch", Arc::new(Int64Array::from_value(batch, self.row_count))));
                self.row_count = 0;
                let columns = schema.fields().iter().filter_map(|field| {
                    let at = built.iter().position(|(name, _)| name == field.name())?;
                    Some(built.swap_remove(at).1)
                });
                let columns = columns.collect();
                arrow::array::RecordBatch::try_new(schema, columns)
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

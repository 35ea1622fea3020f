//! A question on its way between two calls.
//!
//! The client carries it: nothing is kept for it here, so that nothing has to be given back, and a client
//! goes on after this server was started anew.

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use prost::Message;
use prost::bytes::Bytes;
use tonic::Status;

/// The text of a question, and what stands for its placeholders.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Handle {
    /// SQL.
    #[prost(string, tag = "1")]
    pub(crate) query: String,
    /// One row as an Arrow IPC stream: a column for each placeholder; empty where none were given.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) values: Vec<u8>,
}

impl Handle {
    /// A question without values.
    pub(crate) fn new(query: &str) -> Handle {
        Handle {
            query: numbered(query),
            values: Vec::new(),
        }
    }

    /// The same question with the values of `row`.
    pub(crate) fn bind(self, row: &RecordBatch) -> Result<Handle, Status> {
        let mut values = Vec::new();
        let written = StreamWriter::try_new(&mut values, &row.schema()).and_then(|mut writer| {
            writer.write(row)?;
            writer.finish()
        });
        written.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Handle { values, ..self })
    }

    /// As bytes that a client gives back.
    pub(crate) fn bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// What [`Handle::bytes`] gave.
    pub(crate) fn read(bytes: Bytes) -> Result<Handle, Status> {
        Handle::decode(bytes).map_err(|_| Status::invalid_argument("no statement of this server"))
    }

    /// The values in the order of the placeholders; none where none were given.
    pub(crate) fn values(&self) -> Result<Vec<ScalarValue>, Status> {
        let unreadable = || Status::invalid_argument("the values of the statement cannot be read");
        if self.values.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader =
            StreamReader::try_new(self.values.as_slice(), None).map_err(|_| unreadable())?;
        let row = reader
            .next()
            .ok_or_else(unreadable)?
            .map_err(|_| unreadable())?;
        let values = row.columns().iter();
        let values = values.map(|column| ScalarValue::try_from_array(column, 0));
        values.collect::<Result<_, _>>().map_err(|_| unreadable())
    }
}

/// `?` as `$1`, `$2`, …: the planner knows placeholders by number or name.
fn numbered(query: &str) -> String {
    let tokenizer = Tokenizer::new(&GenericDialect {}, query).with_unescape(false);
    let tokens = { tokenizer }.tokenize().unwrap_or_default();
    let question = |token: &Token| matches!(token, Token::Placeholder(name) if name == "?");
    if !tokens.iter().any(question) {
        return query.to_owned();
    }
    let mut count = 0;
    let mut text = String::with_capacity(query.len());
    for token in &tokens {
        if question(token) {
            count += 1;
            text += &format!("${count}");
        } else {
            text += &token.to_string();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn question_marks_are_numbered_outside_texts_and_comments() {
        for (query, text) in [
            ("select 1", "select 1"),
            ("select '?', \"?\"", "select '?', \"?\""),
            ("select ?, '?' -- ?\n, ?", "select $1, '?' -- ?\n, $2"),
            ("select $1", "select $1"),
            ("select 'it''s' where a = ?", "select 'it''s' where a = $1"),
            ("select '", "select '"),
        ] {
            assert_eq!(numbered(query), text);
        }
    }

    #[test]
    fn values_come_back() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("1", Arc::new(StringArray::from(vec!["EX01"]))),
            ("2", Arc::new(Int64Array::from(vec![None]))),
        ];
        let row = RecordBatch::try_from_iter_with_nullable(
            columns
                .into_iter()
                .map(|(name, column)| (name, column, true)),
        );
        let handle = Handle::new("select ?, ?").bind(&row.unwrap()).unwrap();
        let read = Handle::read(handle.bytes()).unwrap();
        assert_eq!(read.query, "select $1, $2");
        let values = read.values().unwrap();
        assert_eq!(
            values,
            [ScalarValue::from("EX01"), ScalarValue::Int64(None)]
        );
        assert!(Handle::new("select 1").values().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        assert!(Handle::read(Bytes::from_static(b"\xff\xff")).is_err());
        let handle = Handle {
            query: "select $1".to_owned(),
            values: b"abc".to_vec(),
        };
        assert!(handle.values().is_err());
    }
}

//! The formats over the same few rows, with everything in them that can go wrong.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arrow::array::{
    ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::escape::acts;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn render(format: Format, batches: &[RecordBatch], terminal: Option<usize>) -> String {
    String::from_utf8(bytes(format, batches, terminal)).unwrap()
}

fn bytes(format: Format, batches: &[RecordBatch], terminal: Option<usize>) -> Vec<u8> {
    let shared = Shared::default();
    let out = Out::new(shared.clone());
    let mut writer = rows(format, &batches[0].schema(), out, terminal).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    shared.0.lock().unwrap().clone()
}

fn batch() -> RecordBatch {
    let mut names = ListBuilder::new(StringBuilder::new());
    names.append_value([Some("mail.contoso.com"), Some("=x")]);
    names.append_null();
    RecordBatch::try_from_iter_with_nullable([
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_790_841_600_123_000), None])
                    .with_timezone("UTC"),
            ) as ArrayRef,
            true,
        ),
        (
            "connector",
            Arc::new(StringViewArray::from(vec![
                Some("Ausgehend – Büro"),
                Some("\x1b[2J\u{202e}"),
            ])),
            true,
        ),
        (
            "change",
            Arc::new(Int64Array::from(vec![Some(-7), None])),
            true,
        ),
        (
            "share",
            Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN)])),
            true,
        ),
        ("names", Arc::new(names.finish()), true),
        (
            "raw",
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\xff\x00"), None])),
            true,
        ),
        (
            "formula",
            Arc::new(
                vec![Some("=cmd|' /C calc'!A0"), Some("")]
                    .into_iter()
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
            true,
        ),
    ])
    .unwrap()
}

#[test]
fn a_table_in_full_width() {
    insta::assert_snapshot!(render(Format::Table, &[batch()], None), @r#"
at                        connector         change  share  names                raw   formula
------------------------  ----------------  ------  -----  -------------------  ----  ------------------
2026-10-01T08:00:00.123Z  Ausgehend – Büro      -7    0.5  mail.contoso.com;=x  ff00  =cmd|' /C calc'!A0
                          \x1b[2J\u{202e}             NaN                             ""
"#);
}

#[test]
fn a_table_on_a_terminal_is_cut_to_fit() {
    insta::assert_snapshot!(render(Format::Table, &[batch()], Some(100)), @r#"
at                        connector         change  share  names             raw   formula
------------------------  ----------------  ------  -----  ----------------  ----  ----------------
2026-10-01T08:00:00.123Z  Ausgehend – Büro      -7    0.5  mail.contoso.co…  ff00  =cmd|' /C calc'…
                          \x1b[2J\u{202e}             NaN                          ""
"#);
}

#[test]
fn a_narrow_terminal_gets_records() {
    insta::assert_snapshot!(render(Format::Table, &[batch()], Some(60)), @r#"
-- 1
at         2026-10-01T08:00:00.123Z
connector  Ausgehend – Büro
change     -7
share      0.5
names      mail.contoso.com;=x
raw        ff00
formula    =cmd|' /C calc'!A0
-- 2
at
connector  \x1b[2J\u{202e}
change
share      NaN
names
raw
formula    ""
"#);
}

#[test]
fn json_has_explicit_nulls_and_numbers() {
    insta::assert_snapshot!(render(Format::Ndjson, &[batch()], None), @r#"
{"at":"2026-10-01T08:00:00.123Z","connector":"Ausgehend – Büro","change":-7,"share":0.5,"names":["mail.contoso.com","=x"],"raw":"ff00","formula":"=cmd|' /C calc'!A0"}
{"at":null,"connector":"\u001b[2J\u202e","change":null,"share":null,"names":null,"raw":null,"formula":""}
"#);
    let lines = render(Format::Ndjson, &[batch(), batch()], None);
    let document = render(Format::Json, &[batch(), batch()], None);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&document).unwrap();
    assert_eq!(rows.len(), 4);
    let each = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(rows, each.collect::<Vec<_>>());
}

#[test]
fn csv_is_defused_and_complete() {
    insta::assert_snapshot!(render(Format::Csv, &[batch()], Some(80)).replace('\r', "<CR>"), @r#"
at,connector,change,share,names,raw,formula<CR>
2026-10-01T08:00:00.123Z,Ausgehend – Büro,-7,0.5,mail.contoso.com;=x,ff00,'=cmd|' /C calc'!A0<CR>
,\x1b[2J\u{202e},,NaN,,,<CR>
"#);
    assert!(render(Format::Csv, &[batch()], None).contains('\u{202e}'));
}

#[test]
fn no_rows_are_still_a_document() {
    let none = [batch().slice(0, 0)];
    assert_eq!(render(Format::Json, &none, None), "[]\n");
    assert_eq!(render(Format::Ndjson, &none, None), "");
    assert_eq!(render(Format::Csv, &none, None).lines().count(), 1);
    assert_eq!(render(Format::Table, &none, None).lines().count(), 2);
    assert_eq!(render(Format::Markdown, &none, None).lines().count(), 2);
    assert_eq!(read_parquet(bytes(Format::Parquet, &none, None)).1, 0);
}

#[test]
fn equal_names_are_told_apart_in_json() {
    let column = |value| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let schema = arrow::datatypes::Schema::new(vec![
        arrow::datatypes::Field::new("a", arrow::datatypes::DataType::Int64, true),
        arrow::datatypes::Field::new("a", arrow::datatypes::DataType::Int64, true),
    ]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column(1), column(2)]).unwrap();
    assert_eq!(
        render(Format::Ndjson, &[batch], None),
        "{\"a\":1,\"a_2\":2}\n"
    );
}

#[test]
fn long_results_stream_past_the_sample() {
    let numbers = Int64Array::from_iter_values(0..2500);
    let batch = RecordBatch::try_from_iter([("n", Arc::new(numbers) as ArrayRef)]).unwrap();
    let text = render(Format::Table, &[batch], Some(80));
    assert_eq!(text.lines().count(), 2502);
    assert_eq!(text.lines().last(), Some("2499"));
}

/// The schema and the rows of a Parquet file.
fn read_parquet(bytes: Vec<u8>) -> (SchemaRef, usize, Vec<RecordBatch>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let file = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = file.schema().clone();
    let batches: Vec<RecordBatch> = file.build().unwrap().map(Result::unwrap).collect();
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    (schema, rows, batches)
}

#[test]
fn parquet_holds_the_rows_in_plain_types() {
    let (schema, rows, read) = read_parquet(bytes(Format::Parquet, &[batch(), batch()], None));
    assert_eq!(rows, 4);
    let types: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    insta::assert_snapshot!(types.join("\n"), @r#"
at Timestamp(µs, "UTC")
connector Utf8
change Int64
share Float64
names List(Utf8)
raw Binary
formula Utf8
"#);
    // The same cells as JSON has them.
    let read = render(Format::Ndjson, &read, None);
    assert_eq!(read, render(Format::Ndjson, &[batch(), batch()], None));
}

#[test]
fn equal_names_are_told_apart_in_parquet() {
    let column = |value| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let field = || arrow::datatypes::Field::new("a", arrow::datatypes::DataType::Int64, true);
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![field(), field()]));
    let batch = RecordBatch::try_new(schema, vec![column(1), column(2)]).unwrap();
    let (schema, _, _) = read_parquet(bytes(Format::Parquet, &[batch], None));
    assert_eq!(schema.field(1).name(), "a_2");
}

#[test]
fn a_markdown_table() {
    insta::assert_snapshot!(render(Format::Markdown, &[batch()], None), @r"
| at | connector | change | share | names | raw | formula |
| --- | --- | ---: | ---: | --- | --- | --- |
| 2026-10-01T08:00:00.123Z | Ausgehend – Büro | -7 | 0.5 | mail.contoso.com;=x | ff00 | =cmd\|' /C calc'!A0 |
|  | \\x1b\[2J\\u{202e} |  | NaN |  |  |  |
");
}

#[test]
fn nothing_in_a_markdown_cell_acts() {
    let cells = StringArray::from(vec![
        "a | b\n<img src=x onerror=alert(1)> &lt; `code` **bold** _it_ snake_case",
        "[link](https://evil.example) www.evil.example ~~gone~~ $x$ \\| end",
    ]);
    let batch = RecordBatch::try_from_iter([("a|b", Arc::new(cells) as ArrayRef)]).unwrap();
    insta::assert_snapshot!(render(Format::Markdown, &[batch], None), @r"
| a\|b |
| --- |
| a \| b\\n&lt;img src=x onerror=alert(1)&gt; &amp;lt; \`code\` \*\*bold\*\* \_it\_ snake_case |
| \[link\](https\://evil.example) www\.evil.example \~\~gone\~\~ \$x\$ \\\| end |
");
}

#[test]
fn a_page_in_a_fence_cannot_leave_it() {
    assert_eq!(fenced("one\ntwo\n"), "```text\none\ntwo\n```\n");
    assert!(fenced("````\nout").starts_with("`````text\n"));
}

#[test]
fn the_name_of_a_file_asks_for_a_format() {
    let format = |name: &str| Format::of(Path::new(name));
    assert_eq!(format("/a.b/drift.PARQUET"), Some(Format::Parquet));
    assert_eq!(format("drift.jsonl"), Some(Format::Ndjson));
    assert_eq!(format("drift.md"), Some(Format::Markdown));
    assert_eq!(format("drift"), None);
    assert_eq!(format("drift.xlsx"), None);
}

proptest! {
    #[test]
    fn nothing_reaches_a_terminal_that_acts(cells in prop::collection::vec(any::<String>(), 1..20)) {
        let column = Arc::new(StringArray::from_iter_values(&cells)) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("text\x1b", column)]).unwrap();
        for format in [Format::Table, Format::Json, Format::Ndjson, Format::Csv, Format::Markdown] {
            for width in [20, 200] {
                let shown = render(format, std::slice::from_ref(&batch), Some(width));
                prop_assert!(!shown.chars().any(|c| acts(c) && c != '\n' && c != '\r'));
            }
        }
    }

    #[test]
    fn csv_reads_back_and_runs_nowhere(cells in prop::collection::vec("[-=+@\t\r\n\"',;a\0]{1,6}", 1..20)) {
        let column = Arc::new(StringArray::from_iter_values(&cells)) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let text = render(Format::Csv, &[batch], None);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        for (read, cell) in reader.records().zip(&cells) {
            let read = read.unwrap()[0].to_string();
            prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']));
            prop_assert_eq!(read.strip_prefix('\'').filter(|_| !cell.starts_with('\'')).unwrap_or(&read), cell);
        }
    }
}

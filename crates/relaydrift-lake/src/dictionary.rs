//! A dictionary of texts as a column chunk of Parquet.
//!
//! The column comes with its dictionary, so none is looked for: the texts are written once, the rows as their
//! numbers, in runs and in bits. Layout: parquet-format, `Encodings.md` (PLAIN, RLE, RLE_DICTIONARY) and data
//! page v1.

use arrow::array::{Array, AsArray, DictionaryArray, StringArray};
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, PageType, Type, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Rows of a page, as the writer of other columns has them.
const PAGE_ROWS: usize = 20_000;

/// A column with a longer text has no bounds.
const BOUND_BYTES: usize = 64;

/// How the chunk is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Of zstd.
    pub(crate) level: ZstdLevel,
    /// Rate of false hits of its bloom filter, where it has one.
    pub(crate) bloom: Option<f64>,
}

/// A nullable text column as the bytes of a column chunk, and what the file has to know of it.
pub(crate) fn column_chunk(
    column: ColumnDescPtr,
    array: &DictionaryArray<Int32Type>,
    options: Options,
) -> Result<(Bytes, ColumnCloseResult)> {
    let texts = array.values().as_string_opt::<i32>();
    let texts = texts.ok_or_else(|| ParquetError::General("no dictionary of texts".to_owned()))?;
    let mut sink = TrackedWrite::new(Vec::new());
    let mut chunk = Chunk {
        compressor: zstd::bulk::Compressor::new(options.level.compression_level())?,
        pages: SerializedPageWriter::new(&mut sink),
        compressed: 0,
        uncompressed: 0,
    };
    let dictionary = chunk.dictionary(texts)?;
    let bounds = Bounds::of(texts);
    let mut total = PageBounds::default();
    let mut index = ColumnIndexBuilder::new(Type::BYTE_ARRAY);
    let mut offsets = OffsetIndexBuilder::new();
    let mut first = None;
    let mut count = 0;
    for start in (0..array.len()).step_by(PAGE_ROWS) {
        let rows = array.slice(start, PAGE_ROWS.min(array.len() - start));
        let spec = chunk.data(&rows, texts.len())?;
        first.get_or_insert(spec.offset);
        count += 1;
        offsets.append_row_count(rows.len() as i64);
        offsets.append_offset_and_size(spec.offset as i64, spec.compressed_size as i32);
        let page = bounds.page(&rows);
        let (least, greatest) = bounds.texts(&page, texts).unwrap_or_default();
        let is_null = page.ranks.is_none();
        index.append(is_null, least.to_vec(), greatest.to_vec(), page.nulls);
        total.add(&page);
    }
    let Chunk {
        compressed,
        uncompressed,
        ..
    } = chunk;
    let ends = bounds.texts(&total, texts);
    let bound = |text: &[u8]| ByteArray::from(text.to_vec());
    let statistics = Statistics::byte_array(
        ends.map(|(least, _)| bound(least)),
        ends.map(|(_, greatest)| bound(greatest)),
        None,
        Some(total.nulls as u64),
        false,
    );
    let encodings = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
    let stats = |page_type, encoding, count| PageEncodingStats {
        page_type,
        encoding,
        count,
    };
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(Compression::ZSTD(options.level))
        .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
        .set_page_encoding_stats(vec![
            stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
            stats(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, count),
        ])
        .set_total_compressed_size(compressed as i64)
        .set_total_uncompressed_size(uncompressed as i64)
        .set_num_values(array.len() as i64)
        .set_dictionary_page_offset(Some(dictionary.offset as i64))
        .set_data_page_offset(first.unwrap_or(dictionary.bytes_written) as i64)
        .set_statistics(statistics)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: compressed as u64,
        rows_written: array.len() as u64,
        metadata,
        bloom_filter: options.bloom.map(|rate| bloom(texts, rate)).transpose()?,
        column_index: bounds.are_short.then(|| index.build()).transpose()?,
        offset_index: Some(offsets.build()),
    };
    Ok((sink.into_inner()?.into(), close))
}

/// Pages on their way out.
struct Chunk<'a> {
    compressor: zstd::bulk::Compressor<'static>,
    pages: SerializedPageWriter<'a, Vec<u8>>,
    compressed: usize,
    uncompressed: usize,
}

impl Chunk<'_> {
    fn dictionary(&mut self, texts: &StringArray) -> Result<PageWriteSpec> {
        let mut body = Vec::with_capacity(texts.value_data().len() + 4 * texts.len());
        for text in texts.iter().map(Option::unwrap_or_default) {
            body.extend_from_slice(&(text.len() as u32).to_le_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        self.write(body, |buf| Page::DictionaryPage {
            buf,
            num_values: texts.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })
    }

    /// Which rows have a text, then the numbers of their texts.
    fn data(&mut self, rows: &DictionaryArray<Int32Type>, texts: usize) -> Result<PageWriteSpec> {
        let mut body = vec![0; 4];
        let keys = rows.keys();
        match keys.nulls() {
            None => {
                varint((keys.len() as u64) << 1, &mut body);
                body.push(1);
            }
            Some(nulls) => {
                let levels: Vec<u32> = nulls.iter().map(u32::from).collect();
                hybrid(&levels, 1, &mut body);
            }
        }
        let levels = (body.len() - 4) as u32;
        body[..4].copy_from_slice(&levels.to_le_bytes());
        let width = (texts.max(2) - 1).ilog2() + 1;
        body.push(width as u8);
        let numbers: Vec<u32> = match keys.nulls() {
            None => keys.values().iter().map(|key| *key as u32).collect(),
            Some(_) => keys.iter().flatten().map(|key| key as u32).collect(),
        };
        hybrid(&numbers, width, &mut body);
        self.write(body, |buf| Page::DataPage {
            buf,
            num_values: rows.len() as u32,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }

    fn write(&mut self, body: Vec<u8>, page: impl Fn(Bytes) -> Page) -> Result<PageWriteSpec> {
        let compressed = self.compressor.compress(&body)?;
        let page = CompressedPage::new(page(compressed.into()), body.len());
        let spec = self.pages.write_page(page)?;
        self.compressed += spec.compressed_size;
        self.uncompressed += spec.uncompressed_size;
        Ok(spec)
    }
}

/// Numbers of `width` bits: runs of the same one, and groups of eight side by side in between.
fn hybrid(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let (mut begun, mut at) = (0, 0);
    while at < values.len() {
        let same = values[at..]
            .iter()
            .take_while(|value| **value == values[at]);
        let run = same.count();
        // What fills the last group of those before is not part of the run.
        let fill = (at - begun).next_multiple_of(8) - (at - begun);
        if run >= fill + 8 {
            packed(&values[begun..at + fill], width, out);
            varint(((run - fill) as u64) << 1, out);
            let bytes = width.div_ceil(8) as usize;
            out.extend_from_slice(&values[at].to_le_bytes()[..bytes]);
            begun = at + run;
        }
        at += run;
    }
    packed(&values[begun..], width, out);
}

fn packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut bits, mut count) = (0_u64, 0);
    for value in values {
        bits |= u64::from(*value) << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(bits as u8);
    }
    out.resize(end, 0);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The places of the texts in byte order, so that bounds are found by comparing numbers.
struct Bounds {
    order: Vec<u32>,
    ranks: Vec<u32>,
    are_short: bool,
}

/// Least and greatest rank; none if all rows are null.
#[derive(Default)]
struct PageBounds {
    ranks: Option<(u32, u32)>,
    nulls: i64,
}

impl PageBounds {
    fn add(&mut self, page: &PageBounds) {
        self.nulls += page.nulls;
        self.ranks = match (self.ranks, page.ranks) {
            (Some((least, greatest)), Some((other, another))) => {
                Some((least.min(other), greatest.max(another)))
            }
            (one, other) => one.or(other),
        };
    }
}

impl Bounds {
    fn of(texts: &StringArray) -> Bounds {
        let mut order: Vec<u32> = (0..texts.len() as u32).collect();
        order.sort_unstable_by_key(|at| texts.value(*at as usize));
        let mut ranks = vec![0; order.len()];
        for (rank, at) in order.iter().enumerate() {
            ranks[*at as usize] = rank as u32;
        }
        let are_short = texts.iter().flatten().all(|text| text.len() <= BOUND_BYTES);
        Bounds {
            order,
            ranks,
            are_short,
        }
    }

    fn page(&self, rows: &DictionaryArray<Int32Type>) -> PageBounds {
        let keys = rows.keys();
        let mut page = PageBounds {
            ranks: None,
            nulls: keys.null_count() as i64,
        };
        let mut add = |key: i32| {
            let rank = self.ranks[key as usize];
            let (least, greatest) = page.ranks.unwrap_or((rank, rank));
            page.ranks = Some((least.min(rank), greatest.max(rank)));
        };
        match keys.nulls() {
            None => keys
                .values()
                .chunk_by(|a, b| a == b)
                .for_each(|run| add(run[0])),
            Some(_) => keys.iter().flatten().for_each(&mut add),
        }
        page
    }

    fn texts<'a>(&self, page: &PageBounds, texts: &'a StringArray) -> Option<(&'a [u8], &'a [u8])> {
        let (least, greatest) = page.ranks.filter(|_| self.are_short)?;
        let text = |rank: u32| texts.value(self.order[rank as usize] as usize).as_bytes();
        Some((text(least), text(greatest)))
    }
}

fn bloom(texts: &StringArray, rate: f64) -> Result<Sbbf> {
    let mut filter = Sbbf::new_with_ndv_fpp(texts.len().max(1) as u64, rate)?;
    for text in texts.iter().flatten() {
        filter.insert(text);
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch};
    use arrow::datatypes::DataType;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::arrow::parquet_to_arrow_schema;
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    use super::*;

    /// A file with the one column, as its bytes.
    fn written(texts: &DictionaryArray<Int32Type>) -> Bytes {
        let schema =
            Arc::new(parse_message_type("message m { optional binary t (UTF8); }").unwrap());
        let properties = Arc::new(WriterProperties::default());
        let mut file = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        let column = file.schema_descr().column(0);
        let options = Options {
            level: ZstdLevel::default(),
            bloom: Some(0.01),
        };
        let (bytes, close) = column_chunk(column, texts, options).unwrap();
        let mut group = file.next_row_group().unwrap();
        group.append_column(&bytes, close).unwrap();
        group.close().unwrap();
        file.into_inner().unwrap().into()
    }

    fn read(file: &Bytes) -> (Vec<Option<String>>, Arc<ParquetMetaData>) {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options);
        let reader = reader.unwrap().with_batch_size(1000);
        let metadata = reader.metadata().clone();
        let columns = metadata.file_metadata().schema_descr();
        let kind = parquet_to_arrow_schema(columns, None).unwrap();
        assert_eq!(kind.field(0).data_type(), &DataType::Utf8);
        let mut texts = Vec::new();
        for batch in reader.build().unwrap() {
            let batch: RecordBatch = batch.unwrap();
            let column: &ArrayRef = batch.column(0);
            texts.extend(
                column
                    .as_string::<i32>()
                    .iter()
                    .map(|text| text.map(str::to_owned)),
            );
        }
        (texts, metadata)
    }

    /// Rows of numbered texts: runs of any length, single ones, and nulls.
    fn rows() -> impl Strategy<Value = Vec<Option<u16>>> {
        let text = prop_oneof![1 => Just(None), 6 => (0_u16..5).prop_map(Some), 3 => any::<u16>().prop_map(Some)];
        let length = prop_oneof![8 => 1_usize..20, 1 => 1_usize..30_000];
        prop::collection::vec((text, length), 0..40).prop_map(|runs| {
            runs.into_iter()
                .flat_map(|(text, length)| vec![text; length])
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Every row comes back, and the bounds of each page and of the chunk hold.
        #[test]
        fn rows_and_bounds_come_back(rows in rows()) {
            let rows: Vec<Option<String>> = rows.into_iter().map(|row| row.map(|n| format!("{n:x}"))).collect();
            let texts: DictionaryArray<Int32Type> = rows.iter().map(Option::as_deref).collect();
            let file = written(&texts);
            if rows.is_empty() {
                return Ok(());
            }
            let (back, metadata) = read(&file);
            prop_assert!(back == rows);
            let chunk = metadata.row_group(0).column(0);
            let statistics = chunk.statistics().unwrap();
            let present = rows.iter().flatten();
            prop_assert_eq!(statistics.min_bytes_opt(), present.clone().min().map(|t| t.as_bytes()));
            prop_assert_eq!(statistics.max_bytes_opt(), present.max().map(|t| t.as_bytes()));
            let nulls = rows.iter().filter(|row| row.is_none()).count();
            prop_assert_eq!(statistics.null_count_opt(), Some(nulls as u64));
            let pages = &metadata.offset_index().unwrap()[0][0].page_locations;
            let parquet::file::page_index::column_index::ColumnIndexMetaData::BYTE_ARRAY(index) =
                &metadata.column_index().unwrap()[0][0] else { panic!("no bounds") };
            for (at, page) in pages.iter().enumerate() {
                let start = page.first_row_index as usize;
                let end = pages.get(at + 1).map_or(rows.len(), |next| next.first_row_index as usize);
                let present = rows[start..end].iter().flatten().map(|t| t.as_bytes());
                prop_assert_eq!(index.min_value(at), present.clone().min());
                prop_assert_eq!(index.max_value(at), present.max());
            }
        }
    }

    #[test]
    fn long_texts_have_no_bounds() {
        let long = "x".repeat(BOUND_BYTES + 1);
        let texts: DictionaryArray<Int32Type> = ["a", &long].into_iter().map(Some).collect();
        let file = written(&texts);
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let statistics = reader.metadata().row_group(0).column(0).statistics();
        assert_eq!(statistics.unwrap().max_bytes_opt(), None);
        assert_eq!(statistics.unwrap().null_count_opt(), Some(0));
    }

    #[test]
    fn another_dictionary_is_an_error() {
        let keys = arrow::array::Int32Array::from(vec![0]);
        let values = Arc::new(arrow::array::Int64Array::from(vec![1]));
        let numbers = DictionaryArray::<Int32Type>::try_new(keys, values).unwrap();
        let schema = parse_message_type("message m { optional binary t (UTF8); }").unwrap();
        let schema = parquet::schema::types::SchemaDescriptor::new(Arc::new(schema));
        let options = Options {
            level: ZstdLevel::default(),
            bloom: None,
        };
        assert!(column_chunk(schema.column(0), &numbers, options).is_err());
    }
}

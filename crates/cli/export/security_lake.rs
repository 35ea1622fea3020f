//! OCSF as Parquet in the folders of an Amazon Security Lake custom source: one event class per
//! source, a folder per day, sorted by time, zstd, a fixed schema.
//!
//! Events are gathered as lines first, so that memory stays bounded; the engine sorts and writes them.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use datafusion::common::config::TableParquetOptions;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::functions::expr_fn::{to_char, to_timestamp_millis};
use datafusion::prelude::{JsonReadOptions, SessionContext, col, lit};
use relaydrift_export::{Event, Format, ocsf_class};
use tempfile::TempDir;

/// The classes: name of the source, and its columns. `[]` is a list, `{}` a record; a name alone is
/// text, `#` a 64-bit and `%` a 32-bit whole number, `?` true or false.
const CLASSES: [(&str, &str); 3] = [
    (
        "finding",
        "class_uid% class_name category_uid% category_name activity_id% activity_name type_uid# type_name \
         severity_id% severity time# metadata{version product{name vendor_name version} uid log_name log_provider \
         logged_time# correlation_uid tenant_uid} status_id% status message start_time# end_time# confidence_id% \
         confidence finding_info{uid title desc types[] created_time# first_seen_time# last_seen_time# \
         data_sources[] src_url analytic{type_id% type uid name version} attacks[]{tactic{uid name} \
         technique{uid name}}} evidences[]{src_endpoint{hostname ip} data{before after key session_id refused#}} \
         resources[]{uid name type} remediation{desc references[]} unmapped{key incident_uid state revision# stream \
         kind class breaking? historic? organization connector server}",
    ),
    (
        "network",
        "class_uid% class_name category_uid% category_name activity_id% activity_name type_uid# type_name \
         severity_id% severity time# metadata{version product{name vendor_name version} uid log_name log_provider \
         logged_time# correlation_uid} status_id% status status_code status_detail start_time# end_time# duration# \
         src_endpoint{ip port% hostname} dst_endpoint{ip port% hostname svc_name} connection_info{uid direction_id% \
         direction protocol_num% protocol_name} tls{version cipher certificate{issuer serial_number subject \
         fingerprints[]{algorithm_id% algorithm value} created_time# expiration_time# is_self_signed?} \
         sans[]{type name}} unmapped{key organization connector server role service session_id source_id line# \
         egress_ip accepted# refused# sender_domain enhanced_code historic?}",
    ),
    (
        "email",
        "class_uid% class_name category_uid% category_name activity_id% activity_name type_uid# type_name \
         severity_id% severity time# metadata{version product{name vendor_name version} uid log_name log_provider \
         logged_time# correlation_uid} status_id% status status_code status_detail direction_id% direction \
         src_endpoint{ip port% hostname} dst_endpoint{ip port% hostname svc_name} email{from to[] message_uid \
         smtp_from smtp_to[]} unmapped{key organization connector server role service session_id source_id line# \
         egress_ip refused# sender_domain enhanced_code thumbprint historic?}",
    ),
];

/// Events on their way into Parquet files.
pub struct SecurityLake {
    target: PathBuf,
    /// Removed with whatever is in it, also after an error.
    gathered: TempDir,
    lines: [BufWriter<File>; 3],
    counts: [u64; 3],
    account: String,
    region: String,
}

impl SecurityLake {
    /// Begins below a folder.
    pub fn new(target: &str, account: &str, region: &str) -> Result<SecurityLake> {
        ensure!(
            !target.contains("://") && target != "-",
            "--as ocsf-parquet: --to names a folder (copy it to the bucket with any tool)"
        );
        let plain = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        ensure!(
            plain(account) && plain(region),
            "--account and --region: letters, digits, - and _"
        );
        let target = PathBuf::from(target);
        let context = || format!("cannot write below {}", target.display());
        std::fs::create_dir_all(&target).with_context(context)?;
        let gathered = tempfile::Builder::new()
            .prefix(".relaydrift-")
            .tempdir_in(&target)
            .with_context(context)?;
        let open = |name: &str| -> Result<BufWriter<File>> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options
                .open(gathered.path().join(format!("{name}.json")))
                .with_context(context)?;
            Ok(BufWriter::new(file))
        };
        let lines = [
            open(CLASSES[0].0)?,
            open(CLASSES[1].0)?,
            open(CLASSES[2].0)?,
        ];
        Ok(SecurityLake {
            target: target.clone(),
            gathered,
            lines,
            counts: [0; 3],
            account: account.to_owned(),
            region: region.to_owned(),
        })
    }

    /// Gathers an event.
    pub fn push(&mut self, event: &Event) -> Result<()> {
        let (_, name) = ocsf_class(event, true);
        // Every class that the renderer has is listed here.
        let at = CLASSES
            .iter()
            .position(|(class, _)| *class == name)
            .unwrap_or_default();
        let mut line = Vec::with_capacity(2048);
        Format::Ocsf13.render(event, &mut line);
        line.push(b'\n');
        self.counts[at] += 1;
        Ok(self.lines[at].write_all(&line)?)
    }

    /// Writes the files and says how many events they hold.
    pub async fn finish(mut self) -> Result<u64> {
        for lines in &mut self.lines {
            lines.flush()?;
        }
        self.write().await?;
        self.gathered.close()?;
        Ok(self.counts.iter().sum())
    }

    async fn write(&self) -> Result<()> {
        // A context of its own: a single partition makes one file a day, sorted as a whole.
        let ctx = relaydrift_datafusion::session_context(1);
        for ((class, columns), _) in CLASSES
            .iter()
            .zip(self.counts)
            .filter(|(_, count)| *count > 0)
        {
            let lines = self.gathered.path().join(format!("{class}.json"));
            let source = self
                .target
                .join("ext")
                .join(format!("relaydrift-{class}"))
                .join(format!("region={}", self.region))
                .join(format!("accountId={}", self.account));
            write_class(&ctx, &lines, &schema(columns), &source)
                .await
                .with_context(|| format!("cannot write {}", source.display()))?;
        }
        Ok(())
    }
}

async fn write_class(
    ctx: &SessionContext,
    lines: &Path,
    schema: &Schema,
    source: &Path,
) -> Result<()> {
    let (lines, source) = (lines.to_string_lossy(), source.to_string_lossy());
    let options = JsonReadOptions::default()
        .schema(schema)
        .file_extension(".json");
    let events = ctx.read_json(lines.as_ref(), options).await?;
    let day = to_char(to_timestamp_millis(vec![col("time")]), lit("%Y%m%d"));
    let events = events.with_column("eventDay", day)?;
    let mut parquet = TableParquetOptions::new();
    parquet.global.compression = Some("zstd(3)".to_owned());
    parquet.global.skip_arrow_metadata = true;
    // Security Lake: pages of at most 1 MB, row groups of at most 256 MB compressed.
    parquet.global.max_row_group_size = 100_000;
    let write = DataFrameWriteOptions::new()
        .with_partition_by(vec!["eventDay".to_owned()])
        .with_sort_by(vec![col("time").sort(true, false)]);
    events
        .write_parquet(&format!("{source}/"), write, Some(parquet))
        .await?;
    Ok(())
}

fn schema(columns: &str) -> Schema {
    Schema::new(fields(&mut columns.chars().peekable()))
}

type Text<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Fields up to a closing brace or the end.
fn fields(text: &mut Text<'_>) -> Fields {
    let mut fields = Vec::new();
    loop {
        while text.next_if(|c| *c == ' ').is_some() {}
        if matches!(text.next_if(|c| *c == '}'), Some('}')) || text.peek().is_none() {
            return fields.into();
        }
        let mut name = String::new();
        while let Some(c) = text.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        let list = text.next_if(|c| *c == '[').is_some();
        if list {
            text.next_if(|c| *c == ']');
        }
        let kind = match text.next_if(|c| "#%?{".contains(*c)) {
            Some('#') => DataType::Int64,
            Some('%') => DataType::Int32,
            Some('?') => DataType::Boolean,
            Some(_) => DataType::Struct(self::fields(text)),
            None => DataType::Utf8,
        };
        let kind = if list {
            DataType::List(Arc::new(Field::new("item", kind, true)))
        } else {
            kind
        };
        fields.push(Field::new(name, kind, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read() {
        let schema = schema("a% b{c# d[]{e?}} f[] g");
        let text: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        assert_eq!(text, ["a", "b", "f", "g"]);
        assert_eq!(schema.field(0).data_type(), &DataType::Int32);
        let DataType::Struct(inner) = schema.field(1).data_type() else {
            panic!("a record");
        };
        assert_eq!(inner[0].data_type(), &DataType::Int64);
        assert!(
            matches!(inner[1].data_type(), DataType::List(item) if matches!(item.data_type(), DataType::Struct(_)))
        );
        assert!(
            matches!(schema.field(2).data_type(), DataType::List(item) if item.data_type() == &DataType::Utf8)
        );
        assert_eq!(schema.field(3).data_type(), &DataType::Utf8);
    }
}

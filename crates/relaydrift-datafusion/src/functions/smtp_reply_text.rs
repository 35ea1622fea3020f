//! `smtp_reply_text(reply)`: a reply without what differs each time.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::reply;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "smtp_reply_text",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], |text| std::str::from_utf8(reply::parse(text.as_bytes())?.text).ok()),
        about: About {
            section: "SMTP",
            description: "The text of an SMTP reply after its codes; of refusals without the closing brackets that name host, time and session, so that equal refusals are equal texts. NULL where the text is no reply.",
            syntax: "smtp_reply_text(reply)",
            example: "select smtp_reply_text('550 5.7.64 Relay Access Denied [AM1.prod.outlook.com 2026-01-01T08:00:00.000Z 08DE]'); -- Relay Access Denied",
            arguments: &[("reply", "The data of a row with event <")],
        },
    }
    .udf()
}

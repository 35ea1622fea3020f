//! Functions over certificates: the glue between columns and [`relaydrift_expect::x509`].

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::Result;
use relaydrift_expect::x509::{Certificate, der};

use super::scalar::TEXT;

/// The argument lists of functions over certificates.
pub(super) fn certificate_types() -> Vec<Vec<DataType>> {
    vec![vec![TEXT], vec![DataType::Binary]]
}

/// Applies `kernel` to every certificate; NULL where there is none.
pub(super) fn each_certificate<T, A: FromIterator<Option<T>> + Array + 'static>(
    values: &ArrayRef,
    kernel: impl Fn(Certificate<'_>) -> Option<T>,
) -> Result<ArrayRef> {
    let value = |bytes: Option<&[u8]>| {
        let der = der(bytes?)?;
        kernel(Certificate::parse(&der)?)
    };
    Ok(match values.as_binary_opt::<i32>() {
        Some(values) => Arc::new(values.iter().map(value).collect::<A>()),
        None => {
            let texts = values.as_string::<i32>().iter();
            Arc::new(
                texts
                    .map(|text| value(text.map(str::as_bytes)))
                    .collect::<A>(),
            )
        }
    })
}

/// The names of every certificate, as lists.
pub(super) fn each_names(values: &ArrayRef) -> Result<ArrayRef> {
    let names = each_certificate::<_, StringArray>(values, |certificate| {
        Some(certificate.names().join("\n"))
    })?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for names in names.as_string::<i32>() {
        match names {
            Some(names) => {
                names
                    .lines()
                    .for_each(|name| lists.values().append_value(name));
                lists.append(true);
            }
            None => lists.append(false),
        }
    }
    Ok(Arc::new(lists.finish()))
}

/// A time of every certificate.
pub(super) fn each_time(
    values: &ArrayRef,
    time: impl Fn(Certificate<'_>) -> i64,
) -> Result<ArrayRef> {
    let times = each_certificate::<_, TimestampMicrosecondArray>(values, |certificate| {
        Some(time(certificate))
    })?;
    let times = times.as_primitive::<TimestampMicrosecondType>().clone();
    Ok(Arc::new(times.with_timezone("UTC")))
}

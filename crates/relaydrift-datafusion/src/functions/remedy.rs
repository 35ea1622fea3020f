//! `remedy(cause, part, facts)`: what an administrator is told about a cause.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT, texts};
use crate::remedy::told;

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "remedy",
        takes: vec![vec![TEXT, TEXT, texts()]],
        returns: TEXT,
        kernel: remedy,
        about: About {
            section: "Diagnosis",
            description: "What is told about a cause of refused mail, its gaps filled with the facts of an incident. Facts that come from logs get into a command only quoted for PowerShell, or as a thumbprint, an address or a GUID; a fact that is missing or unsafe leaves a word in angle brackets. Another part than those named gives NULL; a cause without texts has those of unknown.",
            syntax: "remedy(cause, part, facts)",
            example: "select remedy('certificate_expired', 'title', []); -- The certificate has expired",
            arguments: &[
                ("cause", "As in diagnosis.cause"),
                ("part", "title, explanation, fix, verify, rollback or link"),
                ("facts", "A list of name=value; several values are kept apart by the character 31"),
            ],
        },
    }
    .udf()
}

fn remedy(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (causes, parts) = (args[0].as_string::<i32>(), args[1].as_string::<i32>());
    let lists = args[2].as_list::<i32>();
    let rows = causes.iter().zip(parts.iter()).enumerate();
    let rows = rows.map(|(at, (cause, part))| {
        let facts: Vec<String> = if lists.is_valid(at) {
            let facts = lists.value(at);
            facts.as_string::<i32>().iter().flatten().map(str::to_string).collect()
        } else {
            Vec::new()
        };
        told(cause?, part?, &facts)
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

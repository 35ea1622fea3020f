//! What a SIEM needs to understand our records, to be written out: the folder `siem`.

use std::borrow::Cow;

use serde_json::Value;

/// Name below the folder, content.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../siem/", $name)))),*]
    };
}

/// Every file to write: its name and its text.
pub fn files() -> Vec<(&'static str, Cow<'static, str>)> {
    let written = |(name, text): &(&'static str, &'static str)| {
        let text = match *name {
            TEMPLATE => Cow::Owned(template(text)),
            _ => Cow::Borrowed(*text),
        };
        (*name, text)
    };
    FILES.iter().map(written).collect()
}

/// One template that needs no other file, for Azure deploys nothing else without a compiler.
fn template(text: &str) -> String {
    let mut template: Value = serde_json::from_str(text).expect("read by a test below");
    fill(&mut template);
    format!("{template:#}\n")
}

/// Puts a file of the folder in place of `file:NAME`, JSON as it is, and of `text:NAME`, as a string.
fn fill(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(fill),
        Value::Object(members) => members.values_mut().for_each(fill),
        Value::String(text) => {
            let (json, name) = match text.split_once(':') {
                Some(("file", name)) => (true, name),
                Some(("text", name)) => (false, name),
                _ => return,
            };
            let name = format!("sentinel/{name}");
            let Some((_, file)) = FILES.iter().find(|(file, _)| *file == name) else {
                return;
            };
            *value = match json {
                true => serde_json::from_str(file).expect("read by a test below"),
                false => Value::from(*file),
            };
        }
        _ => {}
    }
}

/// Where the template of Azure Resource Manager stands.
const TEMPLATE: &str = "sentinel/main.json";

/// Every file of the folder `siem`: its name there and its text.
pub(crate) const FILES: &[(&str, &str)] = files![
    "README.md",
    "elastic/index-template.json",
    "sentinel/main.json",
    "sentinel/parsers/ASimAlertEventRelaydrift.kql",
    "sentinel/parsers/ASimAuditEventRelaydrift.kql",
    "sentinel/parsers/ASimEmailEventRelaydrift.kql",
    "sentinel/parsers/ASimNetworkSessionRelaydrift.kql",
    "sentinel/parsers/parameters.json",
    "sentinel/parsers/vimAlertEventRelaydrift.kql",
    "sentinel/parsers/vimAuditEventRelaydrift.kql",
    "sentinel/parsers/vimEmailEventRelaydrift.kql",
    "sentinel/parsers/vimNetworkSessionRelaydrift.kql",
    "sentinel/rules/admin-change.kql",
    "sentinel/rules/incident.kql",
    "sentinel/rules/security.kql",
    "sentinel/tables.json",
    "sentinel/workbook.json",
    "sigma/exchange_online_tenant_attribution_refused.yml",
    "sigma/exchange_send_connector_address_change.yml",
    "sigma/exchange_send_connector_certificate_change.yml",
    "sigma/exchange_send_connector_certificate_expiry.yml",
    "splunk/TA-relaydrift/README.md",
    "splunk/TA-relaydrift/default/app.conf",
    "splunk/TA-relaydrift/default/eventtypes.conf",
    "splunk/TA-relaydrift/default/props.conf",
    "splunk/TA-relaydrift/default/savedsearches.conf",
    "splunk/TA-relaydrift/default/tags.conf",
    "splunk/TA-relaydrift/metadata/default.meta",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn names(folder: &Path, below: &str, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => names(&entry.path(), &format!("{name}/"), all),
                false => all.push(name),
            }
        }
    }

    #[test]
    fn the_folder_is_the_list() {
        let mut all = Vec::new();
        names(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("siem"),
            "",
            &mut all,
        );
        all.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, all);
    }

    #[test]
    fn json_is_json() {
        for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".json")) {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(!value.is_null(), "{name}");
        }
    }

    #[test]
    fn the_template_holds_every_file_beside_it() {
        let of = |name: &str| FILES.iter().find(|(file, _)| *file == name).unwrap().1;
        let raw = of(TEMPLATE);
        for name in FILES
            .iter()
            .filter_map(|(name, _)| name.strip_prefix("sentinel/"))
        {
            assert!(
                name == "main.json" || raw.contains(&format!(":{name}\"")),
                "{name}"
            );
        }
        let written = template(raw);
        assert!(!written.contains("\"file:") && !written.contains("\"text:"));
        let query = serde_json::to_string(of("sentinel/rules/incident.kql")).unwrap();
        assert!(written.contains(&query));
    }
}

//! What a SIEM needs to understand our records, to be written out: the folder `siem`.

/// Name below the folder, content.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../siem/", $name)))),*]
    };
}

/// Every file of the folder `siem`: its name there and its text.
pub const FILES: &[(&str, &str)] = files![
    "README.md",
    "elastic/index-template.json",
    "sentinel/main.bicep",
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
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert!(!value.is_null(), "{name}");
        }
    }
}

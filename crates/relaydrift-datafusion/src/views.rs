//! The views: one file each in the folder `sql`, compiled in.

/// A view: a named question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Its name in SQL and the stem of its file.
    pub name: &'static str,
    /// The text of its file: a comment that says what a row is, and one select.
    pub sql: &'static str,
}

impl View {
    /// What a row is: the comment at the head of the file, without the comment marks.
    pub fn description(&self) -> String {
        let lines = self.sql.lines().map_while(|line| line.strip_prefix("--"));
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

/// Every view, by name.
pub fn views() -> &'static [View] {
    VIEWS
}

/// The view called `name`.
pub(crate) fn view(name: &str) -> Option<&'static View> {
    VIEWS
        .binary_search_by_key(&name, |view| view.name)
        .ok()
        .map(|at| &VIEWS[at])
}

macro_rules! list {
    ($($name:ident),* $(,)?) => {
        &[$(View {
            name: stringify!($name),
            sql: include_str!(concat!("../../../sql/", stringify!($name), ".sql")),
        }),*]
    };
}

/// In the order of names; a test holds it against the folder.
const VIEWS: &[View] = list![
    attribution,
    attribution_hours,
    audit,
    authorized_changes,
    causes,
    certificate_changes,
    certificate_drift,
    certificate_expiry,
    certificate_facts,
    certificate_spans,
    changes,
    clocks,
    cloud_hours,
    connector_health,
    connectors,
    coverage,
    diagnosis,
    divergences,
    drift,
    egress_changes,
    egress_drift,
    egress_spans,
    episodes,
    expected_connectors,
    expected_matches,
    failed_mail,
    fleet_drift,
    front_ends,
    incident_evidence,
    incidents,
    lapses,
    linked,
    logged_hours,
    observed,
    own_domains,
    peer_certificate_spans,
    peer_changes,
    peer_drift,
    planned_findings,
    present,
    proved_relays,
    refusals,
    relay_domains,
    relay_hours,
    relayed_mail,
    sequence_holes,
    silence,
    silences,
    spans,
    tls_drift,
    tls_spans,
    turned_away,
    uses,
    verdicts,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".sql").map(str::to_string))
            .collect();
        names.sort();
        assert_eq!(
            names,
            VIEWS.iter().map(|view| view.name).collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_view_says_what_a_row_is_and_names_its_columns() {
        for view in VIEWS {
            assert!(
                view.description().len() > 60,
                "{} has no description",
                view.name
            );
            let code = view.sql.lines().filter(|line| !line.starts_with("--"));
            let code = code.collect::<Vec<_>>().join("\n");
            assert!(
                !code.contains("select *") && !code.contains(".*"),
                "{}",
                view.name
            );
            assert!(
                !code.contains("SELECT") && !code.contains("FROM"),
                "{}",
                view.name
            );
        }
    }
}

//! Which server and service a log belongs to.

use std::path::{Component, Path};

/// How files are named: which organization, server and service a path belongs to.
#[derive(Debug, Clone)]
pub struct Naming {
    /// Organization of every file; `default` unless given.
    pub organization: String,
    /// Server of every file, when given.
    pub server: Option<String>,
    /// A pattern with the groups `server` and, optionally, `service`, matched against the path.
    pub server_from: Option<regex::Regex>,
}

impl Default for Naming {
    fn default() -> Self {
        Naming {
            organization: "default".into(),
            server: None,
            server_from: None,
        }
    }
}

/// Where a log was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// A forest; connectors of the same name in two organizations are two connectors.
    pub organization: String,
    /// The Exchange server.
    pub server: String,
    /// `Hub`, `FrontEnd`, `Edge`, `Mailbox`, `Submission`, `Delivery` or `unknown`.
    pub service: String,
}

/// Folders between a server's own folder and its logs; the first six name a service.
const FOLDERS: [&str; 13] = [
    "Hub",
    "FrontEnd",
    "Edge",
    "Submission",
    "Delivery",
    "Mailbox",
    "SmtpSend",
    "ProtocolLog",
    "Logs",
    "TransportRoles",
    "Exchange Server",
    "V14",
    "V15",
];
const SERVICES: usize = 6;

impl Naming {
    /// Server: given, else from the pattern, else the UNC host, else the nearest folder above the
    /// file that is none of Exchange's own; `unknown` where there is none.
    pub fn place(&self, path: &Path) -> Place {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let found = self.server_from.as_ref().and_then(|pattern| {
            let text = path.to_string_lossy();
            let groups = pattern.captures(&text)?;
            let group = |name| groups.name(name).map(|found| found.as_str().to_owned());
            Some((group("server"), group("service")))
        });
        let (server, service) = found.unwrap_or((None, None));
        let server = self.server.clone().or(server).or_else(|| unc_host(&path));
        let unknown = || "unknown".to_owned();
        Place {
            organization: self.organization.clone(),
            server: server
                .or_else(|| server_folder(&path))
                .unwrap_or_else(unknown),
            service: service
                .or_else(|| service_folder(&path))
                .unwrap_or_else(unknown),
        }
    }
}

/// The folders above the file, nearest first.
fn folders(path: &Path) -> impl Iterator<Item = String> + '_ {
    path.components()
        .rev()
        .skip(1)
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .map(|name| match name.strip_suffix('!') {
            // An archive counts as the folder that it would unpack to.
            Some(archive) => stem(archive).to_owned(),
            None => name.into_owned(),
        })
}

fn stem(archive: &str) -> &str {
    archive.rsplit_once('.').map_or(archive, |(stem, _)| stem)
}

fn known(folder: &str) -> Option<usize> {
    FOLDERS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(folder))
}

fn server_folder(path: &Path) -> Option<String> {
    folders(path).find(|folder| known(folder).is_none())
}

fn service_folder(path: &Path) -> Option<String> {
    let at = folders(path)
        .map_while(|folder| known(&folder))
        .find(|at| *at < SERVICES)?;
    Some(FOLDERS[at].to_owned())
}

/// `host` of `\\host\share\…`; of the extended form `\\?\UNC\host\share\…` too.
fn unc_host(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let rest = text
        .strip_prefix(r"\\?\UNC\")
        .or_else(|| text.strip_prefix(r"\\"))?;
    let host = rest
        .split('\\')
        .next()
        .filter(|host| !host.is_empty() && !host.starts_with(['?', '.']))?;
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> (String, String) {
        let place = Naming::default().place(Path::new(path));
        (place.server, place.service)
    }

    #[test]
    fn the_nearest_folder_of_their_own_names_the_server() {
        for (path, server, service) in [
            ("/logs/EX01/SmtpSend/SEND1.LOG", "EX01", "unknown"),
            (
                "/logs/EX01/Hub/ProtocolLog/SmtpSend/SEND1.LOG",
                "EX01",
                "Hub",
            ),
            (
                "/logs/EX01/TransportRoles/Logs/FrontEnd/ProtocolLog/SmtpSend/x.log",
                "EX01",
                "FrontEnd",
            ),
            (
                "/logs/EX01/Mailbox/ProtocolLog/SmtpSend/Submission/x.log",
                "EX01",
                "Submission",
            ),
            (
                "/EX01/Exchange Server/V15/transportroles/logs/hub/protocollog/smtpsend/x.log",
                "EX01",
                "Hub",
            ),
            (
                "/logs.zip!/EX01/Hub/ProtocolLog/SmtpSend/x.log",
                "EX01",
                "Hub",
            ),
            ("/EX01.zip!/SEND1.LOG", "EX01", "unknown"),
            ("/EX01/FrontEnd/SmtpSend.zip!/x.log", "EX01", "FrontEnd"),
            ("/x.log", "unknown", "unknown"),
        ] {
            assert_eq!(
                place(path),
                (server.to_owned(), service.to_owned()),
                "{path}"
            );
        }
    }

    #[test]
    fn a_share_names_its_host() {
        assert_eq!(
            unc_host(Path::new(r"\\EX07\c$\logs\x.log")).as_deref(),
            Some("EX07")
        );
        assert_eq!(
            unc_host(Path::new(r"\\?\UNC\EX07\c$\x.log")).as_deref(),
            Some("EX07")
        );
        assert_eq!(unc_host(Path::new(r"\\?\C:\x.log")), None);
    }

    #[test]
    fn a_pattern_or_a_name_given_comes_first() {
        let pattern = regex::Regex::new("/(?<server>mx[0-9]+)-(?<service>[a-z]+)/").unwrap();
        let naming = Naming {
            server_from: Some(pattern),
            ..Naming::default()
        };
        let place = naming.place(Path::new("/logs/mx7-hub/SmtpSend/x.log"));
        assert_eq!(
            (place.server.as_str(), place.service.as_str()),
            ("mx7", "hub")
        );
        let naming = Naming {
            server: Some("EX09".into()),
            ..naming
        };
        assert_eq!(
            naming
                .place(Path::new("/logs/mx7-hub/SmtpSend/x.log"))
                .server,
            "EX09"
        );
    }
}

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
    /// Where servers are known to write, from what they exported.
    pub log_paths: Vec<LogPath>,
}

/// Where a service of a server writes its send logs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogPath {
    /// As the server has it: `D:\ExchangeLogs\Send`.
    pub path: String,
    /// The server.
    pub server: String,
    /// Its service, as in [`Place`].
    pub service: String,
}

impl Default for Naming {
    fn default() -> Self {
        Naming {
            organization: "default".into(),
            server: None,
            server_from: None,
            log_paths: Vec::new(),
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
    /// Server: given, else from the pattern, else the UNC host, else the one known to write here, else
    /// the nearest folder above the file that is none of Exchange's own; `unknown` where there is none.
    pub fn place(&self, path: &Path) -> Place {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let found = self.server_from.as_ref().and_then(|pattern| {
            let text = path.to_string_lossy();
            // A pattern with / holds on Windows too.
            let slashes = text.replace('\\', "/");
            let groups = (pattern.captures(&text)).or_else(|| pattern.captures(&slashes))?;
            let group = |name| groups.name(name).map(|found| found.as_str().to_owned());
            Some((group("server"), group("service")))
        });
        let (server, service) = found.unwrap_or((None, None));
        let server = self.server.clone().or(server).or_else(|| unc_host(&path));
        let known = self.known(&path, server.as_deref());
        let unknown = || "unknown".to_owned();
        Place {
            organization: self.organization.clone(),
            server: server
                .or(known.server)
                .or_else(|| server_folder(&path, known.folders))
                .unwrap_or_else(unknown),
            service: service
                .or_else(|| service_folder(&path))
                .or(known.service)
                .unwrap_or_else(unknown),
        }
    }

    /// What the exported log paths say of a file: those count whose folders the file lies below, as they
    /// are on the server or in a copy of its tree, and of them those with the most folders.
    fn known(&self, path: &Path, server: Option<&str>) -> Known {
        let above: Vec<String> = folders(path).collect();
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let mut matching: Vec<(usize, &LogPath)> = Vec::new();
        for log_path in &self.log_paths {
            let own = log_path.path.split(['\\', '/']).rev();
            let own: Vec<&str> = own
                .filter(|part| !part.is_empty() && !part.ends_with(':'))
                .collect();
            let lies_below = own.len() <= above.len()
                && own.iter().zip(&above).all(|(one, other)| same(one, other));
            let of_server = server.is_none_or(|server| same(server, &log_path.server));
            if lies_below && of_server && !own.is_empty() {
                matching.push((own.len(), log_path));
            }
        }
        let folders = matching
            .iter()
            .map(|(length, _)| *length)
            .max()
            .unwrap_or(0);
        matching.retain(|(length, _)| *length == folders);
        // A folder of the copy that is named like a server decides between those that write alike.
        let named = above[folders..].iter().find_map(|folder| {
            let found = self
                .log_paths
                .iter()
                .find(|known| same(&known.server, folder));
            found.map(|known| known.server.clone())
        });
        let of_named = |known: &LogPath| {
            named
                .as_deref()
                .is_none_or(|server| same(server, &known.server))
        };
        matching.retain(|(_, known)| of_named(known));
        let only = |part: fn(&LogPath) -> &str| {
            let (_, first) = matching.first()?;
            let agreed = matching
                .iter()
                .all(|(_, known)| same(part(known), part(first)));
            agreed.then(|| part(first).to_owned())
        };
        Known {
            server: only(|known| &known.server),
            service: only(|known| &known.service),
            folders,
        }
    }
}

/// What log paths say of a file.
struct Known {
    server: Option<String>,
    service: Option<String>,
    /// How many folders above the file are part of the log path.
    folders: usize,
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

/// The nearest folder of its own, above those that belong to a log path.
fn server_folder(path: &Path, below: usize) -> Option<String> {
    folders(path)
        .skip(below)
        .find(|folder| known(folder).is_none())
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
    fn exported_log_paths_name_servers_and_services() {
        let log_path = |path: &str, server: &str, service: &str| LogPath {
            path: path.into(),
            server: server.into(),
            service: service.into(),
        };
        let naming = Naming {
            log_paths: vec![
                log_path(r"D:\ExLogs\Send", "EX01", "Hub"),
                log_path(r"D:\ExLogs\FE", "EX01", "FrontEnd"),
                log_path(r"D:\ExLogs\Send", "EX02", "Hub"),
                log_path(r"E:\Logs\Smtp\Out", "EX03", "Hub"),
            ],
            ..Naming::default()
        };
        for (path, server, service) in [
            // Only one server writes there.
            ("/copy/ExLogs/FE/SEND1.LOG", "EX01", "FrontEnd"),
            ("/Logs/Smtp/Out/SEND1.LOG", "EX03", "Hub"),
            // Two write alike: the folder above says which.
            ("/copy/EX02/ExLogs/Send/SEND1.LOG", "EX02", "Hub"),
            ("/copy/ex01/exlogs/send/SEND1.LOG", "EX01", "Hub"),
            ("/copy/other/ExLogs/Send/SEND1.LOG", "other", "Hub"),
            // Nothing known.
            ("/copy/EX01/SmtpSend/SEND1.LOG", "EX01", "unknown"),
        ] {
            let place = naming.place(Path::new(path));
            assert_eq!(
                (place.server.as_str(), place.service.as_str()),
                (server, service),
                "{path}"
            );
        }
    }

    #[test]
    fn a_pattern_or_a_name_given_comes_first() {
        let pattern = regex::Regex::new("/(?<server>mx[0-9]+)-(?<service>[a-z]+)/").unwrap();
        let naming = Naming {
            server_from: Some(pattern),
            ..Naming::default()
        };
        for path in [
            "/logs/mx7-hub/SmtpSend/x.log",
            r"C:\logs\mx7-hub\SmtpSend\x.log",
        ] {
            let place = naming.place(Path::new(path));
            assert_eq!(
                (place.server.as_str(), place.service.as_str()),
                ("mx7", "hub")
            );
        }
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

//! The user's folders: for the configuration file and for what the shell remembers.
//!
//! `XDG_CONFIG_HOME` and `XDG_STATE_HOME`, else `~/.config` and `~/.local/state`; on Windows
//! `%APPDATA%` and `%LOCALAPPDATA%`.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of what a user configures.
pub fn config() -> Option<PathBuf> {
    find(
        |name| std::env::var_os(name),
        "XDG_CONFIG_HOME",
        ".config",
        "APPDATA",
    )
}

/// The folder of what the program remembers for a user.
pub fn state() -> Option<PathBuf> {
    let home = ".local/state";
    find(
        |name| std::env::var_os(name),
        "XDG_STATE_HOME",
        home,
        "LOCALAPPDATA",
    )
}

fn find(
    variable: impl Fn(&str) -> Option<OsString>,
    xdg: &str,
    below_home: &str,
    windows: &str,
) -> Option<PathBuf> {
    let folder = |name: &str| {
        let folder = variable(name).map(PathBuf::from);
        // The XDG specification has relative paths ignored.
        folder.filter(|folder| folder.is_absolute())
    };
    let base = match folder(xdg) {
        Some(folder) => folder,
        None if cfg!(windows) => folder(windows)?,
        None => folder("HOME")?.join(below_home),
    };
    Some(base.join("relaydrift"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_named_comes_before_the_one_at_home() {
        let at = |set: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = set.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| value.into())
            };
            find(variable, "XDG_STATE_HOME", ".local/state", "LOCALAPPDATA")
        };
        let home = ("HOME", "/home/ann");
        let at_home = Some("/home/ann/.local/state/relaydrift".into());
        assert_eq!(at(&[home]), at_home);
        let named = at(&[home, ("XDG_STATE_HOME", "/state")]);
        assert_eq!(named, Some("/state/relaydrift".into()));
        assert_eq!(at(&[home, ("XDG_STATE_HOME", "state")]), at_home);
        assert_eq!(at(&[]), None);
    }
}

//! Secrets: from a file or the environment, never from an argument, never printed.

use std::fmt;
use std::path::Path;

use crate::Error;

/// A token or password. Printing it prints `***`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The environment variable that is read where no file is named.
    pub const VARIABLE: &str = "RELAYDRIFT_EXPORT_SECRET";

    /// Reads the file, else the variable [`Secret::VARIABLE`]; line ends at the end do not count.
    ///
    /// # Errors
    /// [`Error::Secret`] where there is none, it is empty, or it holds a control character, which no
    /// header may carry.
    pub fn read(file: Option<&Path>) -> Result<Secret, Error> {
        let (place, text) = match file {
            Some(file) => (
                file.display().to_string(),
                std::fs::read_to_string(file).map_err(|e| e.to_string()),
            ),
            None => (
                format!("environment variable {}", Self::VARIABLE),
                std::env::var(Self::VARIABLE)
                    .map_err(|_| "not set; or name a file with --secret-file".to_owned()),
            ),
        };
        let problem = |problem: String| Error::Secret {
            place: place.clone(),
            problem,
        };
        let text = text.map_err(problem)?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(problem("empty".to_owned()));
        }
        if text.chars().any(char::is_control) {
            return Err(problem(
                "holds a control character: one line is expected".to_owned(),
            ));
        }
        Ok(Secret(text.to_owned()))
    }

    /// The secret itself, for the request that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// True where others than the owner may read the file.
pub fn is_open_to_others(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(file).map(|data| data.permissions().mode());
        mode.is_ok_and(|mode| mode & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_a_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\r\n").unwrap();
        let secret = Secret::read(Some(&file)).unwrap();
        assert_eq!(secret.reveal(), "s3cret");
        assert_eq!(format!("{secret:?}"), "***");
        for wrong in ["", "\n", "a\nb", "a\0"] {
            std::fs::write(&file, wrong).unwrap();
            let error = Secret::read(Some(&file)).unwrap_err().to_string();
            assert!(error.contains("token"), "{error}");
        }
    }
}

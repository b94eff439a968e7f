//! The configuration file, in TOML. It serves the server and its clients alike.

use crate::failure::Failure;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What a file may say. Everything is optional; a name that is not here is an error.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ConfigFile {
    /// Where it was read from.
    #[serde(skip)]
    pub(crate) path: PathBuf,
    /// For clients: the server.
    pub(crate) url: Option<String>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) listen: Option<Vec<String>>,
    pub(crate) store: Option<String>,
    pub(crate) durability: Option<String>,
    pub(crate) insecure: Option<bool>,
    pub(crate) grace: Option<String>,
    pub(crate) term: Option<String>,
    pub(crate) disk_reserve: Option<String>,
    pub(crate) cores: Option<usize>,
    pub(crate) log_format: Option<String>,
    pub(crate) log: Option<String>,
}

impl ConfigFile {
    /// Reads a file. Its relative paths begin at its folder.
    pub(crate) fn read(path: &Path) -> Result<ConfigFile, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            Failure::usage(format!(
                "cannot read the configuration file {path}: {error}"
            ))
        })?;
        ConfigFile::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<ConfigFile, Failure> {
        let mut file: ConfigFile = toml::from_str(text).map_err(|error| {
            let error = error.to_string();
            Failure::usage(format!("{}: {}", path.display(), error.trim_end()))
        })?;
        path.clone_into(&mut file.path);
        let folder = path.parent().unwrap_or(Path::new(""));
        for place in [&mut file.data, &mut file.key_file].into_iter().flatten() {
            *place = folder.join(&*place);
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_at_the_file() {
        let text = "data = \"data\"\nkey-file = \"/etc/key\"\ninsecure = true\n";
        let file = ConfigFile::parse(Path::new("/srv/commonhold.toml"), text).expect("it is good");
        assert_eq!(file.data.as_deref(), Some(Path::new("/srv/data")));
        assert_eq!(file.key_file.as_deref(), Some(Path::new("/etc/key")));
        assert_eq!(file.insecure, Some(true));
    }

    #[test]
    fn what_is_not_known_is_an_error_that_names_it() {
        let wrong = ConfigFile::parse(Path::new("c.toml"), "lisen = []\n").expect_err("a slip");
        assert!(wrong.message.starts_with("c.toml: "), "{wrong}");
        assert!(wrong.message.contains("lisen"), "{wrong}");
        assert_eq!(wrong.exit.code(), 2);
    }
}

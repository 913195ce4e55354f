//! A setting that cannot be used, by its name and what it must be.
use std::{error::Error, fmt, fs, path::Path};

/// A setting that cannot be used; the program exits 64.
#[derive(Debug, PartialEq, Eq)]
pub struct BadConfig {
    /// The setting.
    pub key: &'static str,
    /// What it must be.
    pub must: String,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad setting: `{}` must {}", self.key, self.must)
    }
}

impl Error for BadConfig {}

/// Reads the file that a setting names.
pub fn read_file(key: &'static str, path: &Path) -> Result<Vec<u8>, BadConfig> {
    fs::read(path).map_err(|err| {
        let must = format!("name a file that can be read; {}: {err}", path.display());
        BadConfig { key, must }
    })
}

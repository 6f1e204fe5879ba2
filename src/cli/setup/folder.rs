//! Writes the guide's files into a folder.
//!
//! It must never overwrite a file unless told to, and never leave half of the files behind because of one that is there.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::guide::Text;

/// For the owner alone: secrets may be written into it later.
const PRIVATE: u32 = 0o600;
const SCRIPT: u32 = 0o700;

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    /// These files are there already.
    #[error("there already: {}", .0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    InTheWay(Vec<PathBuf>),
    /// The folder or a file cannot be written.
    #[error("cannot write {0}: {kind}", kind = .1.kind())]
    Io(PathBuf, io::Error),
}

/// Writes them all, and says where they are.
pub(super) fn write(folder: &Path, files: &[Text], force: bool) -> Result<Vec<PathBuf>, FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| FolderError::Io(path, error)
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(file.name)).collect();
    // A link that leads nowhere is in the way as well.
    let there: Vec<PathBuf> = paths.iter().filter(|path| fs::symlink_metadata(path).is_ok()).cloned().collect();
    if !there.is_empty() {
        if !force {
            return Err(FolderError::InTheWay(there));
        }
        // Made anew, so that neither an old file's mode nor a link decides who can read it.
        for path in &there {
            fs::remove_file(path).map_err(failed(path))?;
        }
    }
    for (path, file) in paths.iter().zip(files) {
        let mode = if file.is_script { SCRIPT } else { PRIVATE };
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        let written = opened.and_then(|mut opened| opened.write_all(file.content.as_bytes()));
        match written {
            // Another process made it in the meantime.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(FolderError::InTheWay(vec![path.clone()]));
            }
            written => written.map_err(failed(path))?,
        }
    }
    Ok(paths)
}

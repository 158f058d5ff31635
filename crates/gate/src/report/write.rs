//! Writing a report in the form that a file's ending asks for.

use std::path::{Path, PathBuf};

use super::Report;

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One self-contained page.
    Html,
    /// The model itself.
    Json,
    /// JUnit XML.
    Junit,
    /// SARIF 2.1.0, for code review.
    Sarif,
    /// A summary for a pull request.
    Markdown,
}

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The ending says nothing.
    #[error("{path}: a report file must end in .html, .json, .xml, .sarif or .md", path = .0.display())]
    Ending(PathBuf),
    /// The page could not be made.
    #[error("the report could not be rendered: {0}")]
    Render(String),
    /// The file could not be written.
    #[error("{path}: the report cannot be written", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Format {
    /// The form that the file's ending asks for.
    ///
    /// # Errors
    /// If the ending is not known.
    pub fn of(path: &Path) -> Result<Self, WriteError> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("html") => Ok(Self::Html),
            Some("json") => Ok(Self::Json),
            Some("xml") => Ok(Self::Junit),
            Some("sarif") => Ok(Self::Sarif),
            Some("md") => Ok(Self::Markdown),
            _ => Err(WriteError::Ending(path.to_owned())),
        }
    }
}

/// The report in one form.
///
/// # Errors
/// If it cannot be rendered.
pub fn render(report: &Report, format: Format) -> Result<String, WriteError> {
    Ok(match format {
        Format::Html => super::html::html(report).map_err(|e| WriteError::Render(e.to_string()))?,
        Format::Json => {
            let text = serde_json::to_string_pretty(report);
            text.map_err(|e| WriteError::Render(e.to_string()))? + "\n"
        }
        Format::Junit => super::junit::junit(report),
        Format::Sarif => super::sarif::sarif(report),
        Format::Markdown => super::markdown::markdown(report),
    })
}

/// Writes the report to a file; folders that are missing are made.
///
/// # Errors
/// See [`WriteError`].
pub fn write(report: &Report, path: &Path) -> Result<(), WriteError> {
    let text = render(report, Format::of(path)?)?;
    make_folder(path)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|why| failed(path, why))
}

/// Tries whether a report could be written to this file, so that no run is made in vain. What is in the file stays;
/// folders that are missing are made.
///
/// # Errors
/// See [`WriteError`].
pub fn check_path(path: &Path) -> Result<(), WriteError> {
    Format::of(path)?;
    check_writable(path)
}

/// As [`check_path`], for a file that is written by somebody else, in a form of its own.
///
/// # Errors
/// See [`WriteError`].
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    try_path(path).map_err(|why| failed(path, why))
}

fn try_path(path: &Path) -> std::io::Result<()> {
    make_folder(path)?;
    let is_new = !path.exists();
    std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    if is_new {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder),
        None => Ok(()),
    }
}

fn failed(path: &Path, source: std::io::Error) -> WriteError {
    WriteError::Io {
        path: path.to_owned(),
        source,
    }
}

//! The report: its model, which is what `report.json` holds, and the forms it is written in.

mod charts;
mod evidence;
mod html;
mod judge;
mod junit;
mod markdown;
mod merge;
mod model;
mod sarif;
mod summary;
mod svg;
mod write;

pub use evidence::{CellReport, CompareReport, LoadReport, SmokeReport, SmokeRow, SoakReport};
pub use merge::{BadMerge, merge};
pub use model::{Detail, Environment, Finding, Report, SCHEMA, StageResult, schema};
pub use summary::summary;
pub use write::{Format, WriteError, check_path, check_writable, render, write};

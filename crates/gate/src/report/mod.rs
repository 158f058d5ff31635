//! The report: its model, which is what `report.json` holds, and the forms it is written in.

mod html;
mod junit;
mod markdown;
mod merge;
mod model;
mod svg;
mod write;

pub use merge::{BadMerge, merge};
pub use model::{
    CellReport, CompareReport, Detail, Environment, Finding, LoadReport, Report, SCHEMA, SmokeReport, SmokeRow,
    SoakReport, StageResult, schema,
};
pub use write::{Format, WriteError, render, write};

//! The load engine: plans, pacing, generator threads, and the crews that send requests. What the figures mean is
//! decided in `measure` and `threshold`; what is shown, in `report`.

mod arrivals;
mod crew;
mod engine;
mod generator;
mod journeys;
mod pacer;
pub mod plan;
mod shard;
mod single;

pub use arrivals::{Arrival, Arrivals};
pub use crew::{Crew, Turn, VirtualUser};
pub use engine::{Control, Ended, Progress, Run, run};
pub use generator::GeneratorReport;
pub use journeys::{Journey, JourneyCrew, Rows, request_names};
pub use plan::{Model, Phase, Plan, Think};
pub use single::{SingleCrew, SingleOptions};

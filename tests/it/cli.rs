//! The commands of the program, run as a person runs them.
pub mod agreement;
pub mod breakdowns;
pub mod call;
pub mod call_schema;
pub mod definitions;
pub mod export;
pub mod import;
pub mod import_bombs;
pub mod import_cells;
pub mod options;
pub mod program;
pub mod sources;
pub mod stop;
pub mod update_units;
pub mod watch;

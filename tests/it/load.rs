//! Much at once: loads in, exports out.
pub mod cuts;
pub mod export;
pub mod ingest;

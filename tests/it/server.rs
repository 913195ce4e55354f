//! Connections and calls: how they begin, every way they end, and what strangers and neighbours may take.
pub mod connections;
pub mod endings;
pub mod neighbours;
pub mod strangers;
pub mod tls;

//! What the slices share: writes in one commit, and retention.
pub mod retention;
pub mod shared_commits;

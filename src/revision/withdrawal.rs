//! Withdrawals: keys whose versions are superseded by a tombstone, and why.
//!
//! A tombstone is a version that stands at no revision: its `superseded_at` is its own `made_at`. Every read of what
//! stands passes it over without knowing of it; only lists of versions and the feed show it. Retention drops it
//! together with the versions that it superseded.
use crate::error::Result;

/// Withdraws what stands under keys.
#[derive(Clone, Debug)]
pub struct Withdrawal<K> {
    /// The keys, as they were read: each one, or why it is refused.
    pub keys: Vec<Result<K>>,
    /// Why, in words.
    pub reason: String,
}

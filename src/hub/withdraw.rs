//! Requests to withdraw: every method that withdraws reads its request here.
use super::BatchOptions;
use crate::{
    error::{ItemLists, Result},
    limits::MOST_ITEMS,
    revision::withdrawal::Withdrawal,
    wire::Fields,
};

/// The longest reason, in characters.
const LONGEST: usize = 500;

/// A request to withdraw things, taken apart.
#[derive(Debug)]
pub struct WithdrawRequest<M> {
    /// The caller's id of the request.
    pub request_id: String,
    /// The hash of what was asked.
    pub fingerprint: [u8; 32],
    /// Good items are kept beside bad ones.
    pub allow_partial: bool,
    /// It is only checked.
    pub validate_only: bool,
    /// The field that holds the keys.
    pub list: &'static str,
    /// The keys.
    pub keys: Vec<M>,
    /// Why.
    pub reason: String,
}

impl<M> WithdrawRequest<M> {
    /// Reads it: each key, or why it is refused.
    pub fn read<K>(self, key: impl Fn(M) -> Result<K>) -> Result<(BatchOptions, Withdrawal<K>)> {
        let Self { request_id, fingerprint, allow_partial, validate_only, list, keys, reason } =
            self;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        fields.at_most(list, keys.len(), MOST_ITEMS);
        fields.prose("reason", &reason);
        let reason = fields.some_text("reason", reason, LONGEST);
        fields.done(|| {
            let ask = BatchOptions {
                request_id: request_id?,
                fingerprint,
                allow_partial,
                validate_only,
                lists: ItemLists::One(list),
            };
            Some((ask, Withdrawal { keys: keys.into_iter().map(key).collect(), reason: reason? }))
        })
    }
}

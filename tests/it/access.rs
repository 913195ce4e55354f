//! Who calls, and what they may do: systems, keys, certificates, tokens, agreements.
pub mod agreement_limits;
pub mod agreement_matrix;
pub mod agreements;
pub mod certificate_chains;
pub mod credentials;
pub mod expected;
pub mod explain;
pub mod held_changes;
pub mod keys;
pub mod revocation;
pub mod rotation;
pub mod scope;
pub mod subsets;
pub mod systems;
pub mod tokens;
pub mod update;

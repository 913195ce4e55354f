//! The contract: the schema, and what bad bytes, bad fields and bad questions get.
pub mod bad_bytes;
pub mod bad_input;
pub mod bad_question;
pub mod identity_numbers;
pub mod messages;
pub mod method_names;
pub mod personal_marks;
pub mod reflection;
pub mod refusals;
pub mod schema;
pub mod validate_only;

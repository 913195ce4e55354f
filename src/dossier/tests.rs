//! The rules of dossiers, as tables.

//! The embeddable storage engine of chronoxide.

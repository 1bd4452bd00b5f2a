//! The embeddable database with PromQL.

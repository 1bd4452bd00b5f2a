//! The `chronoxide` command.

fn main() {}

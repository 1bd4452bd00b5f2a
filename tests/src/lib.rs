//! Tools for the system tests: starting the real binary, speaking its protocols, reading its answers.

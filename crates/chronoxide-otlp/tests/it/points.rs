//! Whole data points and what becomes of them.

mod histograms;
mod numbers;
mod resources;

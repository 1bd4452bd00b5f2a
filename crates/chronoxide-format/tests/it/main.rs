//! The public decoders, fed valid, damaged and arbitrary bytes.

mod chunk_histograms;
mod chunk_timestamps;
mod chunk_values;
mod hostile;
mod sizes;

//! The public decoders, fed valid, damaged and arbitrary bytes.

mod chunk_coders;
mod chunk_histograms;
mod chunk_summaries;
mod chunk_timestamps;
mod chunk_values;
mod corpus;
mod hostile;
mod log_corpus;
mod sizes;

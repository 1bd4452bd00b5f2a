//! Bytes to values and back for everything chronoxide keeps on disk. Pure: no I/O, no clock, no unsafe code.

//! The workload the benches share: the recorded scrapes where they are at hand, a seeded synthetic set otherwise.

//! Tests of the repository as a whole: what its parts import, and what it is built from.

mod deps;
mod layers;
mod paths;

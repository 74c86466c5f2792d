//! The ID core: layouts, machine ID ranges, the generator and the text forms of an ID.
//!
//! Pure: no I/O, no clock, no logging. Time comes in as a tick number.

pub mod bounds;
mod decimal;
pub(crate) mod divisor;
pub mod encoding;
pub mod generator;
pub mod layout;
pub mod range;

pub use bounds::Span;
pub use decimal::Decimals;
pub use encoding::Encoding;
pub use generator::Generator;
pub use layout::Layout;
pub use range::MachineRange;

//! The ID core: layouts, machine ID ranges, the generator and the text forms of an ID.
//!
//! Pure: no I/O, no clock, no logging. Time comes in as a tick number.

mod decimal;
pub(crate) mod divisor;
pub mod encoding;
pub mod generator;
pub mod layout;
pub(crate) mod padded;
pub mod range;
pub mod time_span;
mod value;

pub use decimal::Decimals;
pub use encoding::Encoding;
pub use generator::Generator;
pub use layout::Layout;
pub use range::MachineRange;
pub use time_span::TimeSpan;
pub use value::Id;

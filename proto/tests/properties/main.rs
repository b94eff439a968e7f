//! Properties of the values, and of everything that crosses the wire or is stored.

mod arbitrary;
mod garbage;
mod round_trips;
mod twin;
mod values;

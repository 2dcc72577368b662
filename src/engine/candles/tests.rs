pub mod support;

mod midway;
mod native;
mod parts;
mod properties;
mod trades;

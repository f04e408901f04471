//! Where secrets may be, and where they must never be.

mod broken;
mod broken_yaml;
mod commands;
mod crash;
mod echo;
mod fixture;
mod marks;
mod memory;
mod open_files;
mod printed;
mod running;

//! Long scenarios on the real control plane in which something goes wrong; each ends with everything as desired.

mod api;
mod objects;
mod replicas;

//! Scenarios on the real control plane, each on a cluster of its own unless it says otherwise.

mod bypass;
mod cel;
mod chart;
mod cluster;
mod defaults;
mod exec;
mod manifests;
mod operator;
mod rendered;
mod replicas;
mod reports;
mod scale;
mod status;
mod system;
mod verdicts;

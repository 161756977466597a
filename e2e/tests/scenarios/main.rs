//! Scenarios on the real control plane, each on a cluster of its own unless it says otherwise.

mod api_server;
mod bypass;
mod cel;
mod chart;
mod cluster;
mod created;
mod defaults;
mod exec;
mod explain;
mod gitops;
mod manifests;
mod openshift;
mod operator;
mod rendered;
mod replicas;
mod reports;
mod scale;
mod see;
mod skew;
mod status;
mod system;
mod uninstall;
mod upgrade;
mod verdicts;
mod verify;
mod versions;

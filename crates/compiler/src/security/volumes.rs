//! What a Pod may mount.

use gatewright_api::{Field, FlexVolume, List, VolumeType};
use gatewright_rules::security_policy::{flex_volumes, volume_types};

/// The drivers by name.
pub(super) fn flex_volumes(volumes: &Field<List<FlexVolume>>) -> flex_volumes::Parameters {
    let names = |volumes: &List<FlexVolume>| volumes.iter().map(|volume| volume.driver.to_string()).collect();
    flex_volumes::Parameters { allowed_flex_volumes: volumes.value().map(names) }
}

/// A list that holds `*` refuses nothing.
pub(super) fn volume_types(types: &Field<List<VolumeType>>) -> volume_types::Parameters {
    let limited = types.value().filter(|types| !types.contains(&VolumeType::Any));
    volume_types::Parameters {
        allowed_volumes: limited.map(|types| types.iter().filter_map(|name| source(*name)).collect()),
    }
}

/// The type as volumes name it: `cephFS` is an old spelling, `none` is no type.
const fn source(name: VolumeType) -> Option<VolumeType> {
    match name {
        VolumeType::None => None,
        VolumeType::CephFsOldName => Some(VolumeType::Cephfs),
        name => Some(name),
    }
}

/**
 * `pins/<range id>`: the id of the shard that the operator wants to have a range, as long as that shard is there.
 * Written by gateways, read by the coordinator.
 */
export const pinPrefix = 'pins/';

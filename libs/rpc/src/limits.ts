/** Limits of every gRPC connection. */

/**
 * 8 MiB a frame: twice the largest batch that any hop makes (4 MiB, the log's append limit), so
 * that framing never refuses what a service allowed.
 */
export const maxFrameBytes = 8 * 1024 * 1024;

/** How long a unary call may take when its caller names no deadline. */
export const defaultDeadlineMs = 10_000;

/** A silent peer is noticed within 10 s; streams are otherwise idle for hours. */
export const keepalive = {
  client: {
    'grpc.keepalive_time_ms': 5_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
  },
  server: {
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  },
} as const;

/** Of several servers one that cannot be reached in this time is left: a lost zone refuses no connection, it says nothing. */
export const connectMs = 2_000;

/** A server that was found silent is not tried before any other for so long. */
export const silentMs = 10_000;

/** A call that may be repeated is tried at so many servers: two zones and one more. */
export const attemptsMax = 3;

/** Replicas are asked for their health so often; one that stands still is avoided 3 s later at most. */
export const healthIntervalMs = 2_000;
export const healthDeadlineMs = 1_000;

/** Who could not connect in time is asked why: a broken connection says so at once, a silent one never. */
export const reasonDeadlineMs = 200;

/** Renewed certificates are noticed so soon; they live for weeks. */
export const certificateRefreshMs = 10_000;

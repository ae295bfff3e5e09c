import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRequestSchema } from '@chappe/proto/device/device_service';

/** What goes up. */
export type Frame = MessageInitShape<typeof ConnectRequestSchema>;

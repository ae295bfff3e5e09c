/** Between the bytes and messages of the proto files and the classes of libsignal. */
import type { PreKeyBundle as WireBundle } from '@chappe/proto/device/keys';
import { KEMPublicKey, PreKeyBundle, PublicKey } from '@signalapp/libsignal-client';

/** libsignal takes views of plain ArrayBuffers only; a view of anything else is copied. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

/**
 * A bundle as libsignal starts sessions from. libsignal verifies the signatures when it is used.
 *
 * @throws Error if a part is missing or is no key
 */
export function toSignalBundle(bundle: WireBundle): PreKeyBundle {
  const { signedPreKey, kyberPreKey, preKey } = bundle;
  if (signedPreKey === undefined || kyberPreKey === undefined) throw new Error('the bundle lacks a signed prekey');
  return PreKeyBundle.new(
    bundle.registrationId,
    bundle.device,
    preKey?.id ?? null,
    preKey === undefined ? null : PublicKey.deserialize(ownBytes(preKey.publicKey)),
    signedPreKey.id,
    PublicKey.deserialize(ownBytes(signedPreKey.publicKey)),
    ownBytes(signedPreKey.signature),
    PublicKey.deserialize(ownBytes(bundle.identityKey)),
    kyberPreKey.id,
    KEMPublicKey.deserialize(ownBytes(kyberPreKey.publicKey)),
    ownBytes(kyberPreKey.signature),
  );
}

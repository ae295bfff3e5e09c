/**
 * TLS of gRPC from PEM files that are read again and again: a renewed certificate serves new connections
 * without a restart, and those that are open go on.
 */
import { experimental, type ChannelCredentials, type ServerCredentials } from '@grpc/grpc-js';
import { certificateRefreshMs } from './limits.ts';

/** Between services: each shows a certificate of the same authority, and asks for the other's. */
export interface PeerTls {
  readonly channel: ChannelCredentials;
  readonly server: ServerCredentials;
}

/** Paths of PEM files. */
export interface PeerTlsFiles {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** @param refreshIntervalMs how often the files are read */
export function peerTls(
  { authority, certificate, key }: PeerTlsFiles,
  refreshIntervalMs: number = certificateRefreshMs,
): PeerTls {
  const files = new experimental.FileWatcherCertificateProvider({
    certificateFile: certificate,
    privateKeyFile: key,
    caCertificateFile: authority,
    refreshIntervalMs,
  });
  return {
    channel: experimental.createCertificateProviderChannelCredentials(files, files),
    server: experimental.createCertificateProviderServerCredentials(files, files, true),
  };
}

/** For callers from outside, who show none. */
export function serverTls({ certificate, key }: Omit<PeerTlsFiles, 'authority'>): ServerCredentials {
  const files = new experimental.FileWatcherCertificateProvider({
    certificateFile: certificate,
    privateKeyFile: key,
    refreshIntervalMs: certificateRefreshMs,
  });
  return experimental.createCertificateProviderServerCredentials(files, null, false);
}

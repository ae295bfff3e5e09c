import assert from 'node:assert/strict';
import test from 'node:test';
import { certificateFiles } from '../src/certificate-files.ts';

test('certificates and authorities are found by the names of their variables, keys are not', () => {
  const config = {
    CHAPPE_PEER_TLS_AUTHORITY: '/peer/ca.crt',
    CHAPPE_PEER_TLS_CERTIFICATE: '/peer/tls.crt',
    CHAPPE_PEER_TLS_KEY: '/peer/tls.key',
    CHAPPE_STORE_TLS_AUTHORITY: '/store/ca.crt',
    CHAPPE_LOG_TLS_AUTHORITY: undefined,
    CHAPPE_ADMIN_PORT: 7490,
  };
  assert.deepEqual(certificateFiles(config), [
    { name: 'peer_authority', path: '/peer/ca.crt', isReadAgain: true },
    { name: 'peer_certificate', path: '/peer/tls.crt', isReadAgain: true },
    { name: 'store_authority', path: '/store/ca.crt', isReadAgain: false },
  ]);
});

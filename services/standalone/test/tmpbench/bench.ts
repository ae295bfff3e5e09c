import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { GatewayHarness } from '../gateway-harness.ts';
const h = await GatewayHarness.start({ rateLimit: { perSecond: 1e6, burst: 1e6 } });
const shop = await h.business('Shop', '+33140000001');
for (const n of [5000, 30000]) {
  const before = process.cpuUsage(); const t = performance.now();
  const child = spawn(process.execPath, [new URL('./client.ts', import.meta.url).pathname, h.address, shop.apiKey, String(n)], { stdio: 'inherit' });
  await once(child, 'exit');
  const { user, system } = process.cpuUsage(before);
  console.log(n, 'gateway cpu us/msg', (user + system) / n, 'user', user / n, 'wall/s', n / ((performance.now() - t) / 1000));
}
await h[Symbol.asyncDispose]();

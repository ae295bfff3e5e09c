import { ChappeClient } from '@chappe/client/chappe-client';
const [address, apiKey, count] = process.argv.slice(2);
const client = new ChappeClient({ address: address ?? '', apiKey: apiKey ?? '' });
const stream = client.openSendStream();
const all = [];
for (let i = 0; i < Number(count); i += 1) {
  await stream.ready();
  all.push(stream.send({ to: `+336${12000000 + (i % 3000)}`, idempotencyKey: `${process.pid}-${i}`, content: { case: 'template', value: { name: 'parcel', language: 'en', parameters: { name: 'Ada', number: String(i) } } } }));
}
await Promise.all(all);
console.log('client cpu us/msg', (process.cpuUsage().user + process.cpuUsage().system) / Number(count));
await stream.close();
client[Symbol.dispose]();

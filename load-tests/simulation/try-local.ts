import { simulate } from './simulate.ts';
const [from, to] = process.argv.slice(2).map(Number);
for (let seed = from; seed <= to; seed += 1) {
  const t = process.hrtime.bigint();
  const r = await simulate({ seed });
  const ms = Number(process.hrtime.bigint() - t) / 1e6;
  console.log(seed, r.problems.slice(0, 3), 'faults', r.faults.length, 'steps', r.steps, 'virtual', r.virtualMs.toFixed(0), 'messages', r.messages, 'shown', r.shown, ms.toFixed(0), 'ms');
  if (process.env.TRACE) { console.log(r.trace.slice(-(Number(process.env.TRACE))).join('\n')); }
}

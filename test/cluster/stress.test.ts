import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/engine.ts';
import { type Hosts, startHosts } from '../support/hosts.ts';
let hosts: Hosts;
beforeAll(async () => {
  hosts = await startHosts(2, { daemonArgs: ['--log-level', 'debug'] });
  const [one, two] = [hosts.host(1), hosts.host(2)];
  await Promise.all(hosts.all.map((h) => h.startDaemon()));
  await one.mustDocker('swarm', 'init');
  const token = await one.mustDocker('swarm', 'join-token', '-q', 'worker');
  await two.mustDocker('swarm', 'join', '--token', token, `${one.ip}:2377`);
  await until(async () => (await one.mustDocker('node', 'ls', '--format={{.Status}}')) === 'Ready\nReady', 10_000, 'r');
}, 60_000);
afterAll(async () => hosts?.down(), 60_000);
test('x', async () => {
  const [one, two] = [hosts.host(1), hosts.host(2)];
  for (let i = 0; i < 14; i++) {
    await sleep(4000 + Math.random() * 1_000);
    const begun = Date.now();
    const marks = { one: one.daemon.log().length, two: two.daemon.log().length };
    await hosts.cut(two);
    const cutAt = Date.now();
    await sleep(2_000);
    await hosts.heal(two);
    const healed = Date.now();
    await sleep(3_000);
    const f = encodeURIComponent('{"type":["node"]}');
    const { text } = await one.daemon.api('GET', `/v1.51/events?since=${begun / 1000}&until=${Date.now() / 1000}&filters=${f}`);
    const ev = text.split('\n').filter((l) => l.includes('state.new')).map((l) => { const e = JSON.parse(l); return `${Math.round(e.timeNano / 1e6) - cutAt}:${e.Actor.Attributes['state.new']}`; });
    const lines = (log: string) => log.split('\n').filter((l) => l !== '').map((l) => { try { const e = JSON.parse(l); return `${new Date(e.time).getTime() - cutAt} ${e.msg} ${e.error ?? ''} ${String(e.line ?? '').slice(0, 100)}`; } catch { return l; } });
    process.stderr.write(`#${i} cut took ${cutAt - begun} healed ${healed - cutAt} ${ev.join(' ') || 'nothing'}\n`);
    if (ev.length > 0) process.stderr.write(`two: ${lines(two.daemon.log().slice(marks.two)).join('\n     ')}\none: ${lines(one.daemon.log().slice(marks.one)).join('\n     ')}\n`);
  }
  expect(1).toBe(1);
}, 300_000);

import { test } from '@jest/globals';
import { writeFileSync, appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestCluster, type Member } from '../support/nats-cluster.ts';
import { clusterHealth, isSettled, removeServer, stepDownStream, stepDownMeta, peerIdOf } from '../../bus/nats/membership.ts';
const out = (x: unknown) => appendFileSync('/tmp/exp.log', JSON.stringify(x) + '\n');
writeFileSync('/tmp/exp.log', '');
const settled = async (c: TestCluster, n: number, via: Member, patience = 30000) => { const t = performance.now(); let last = ''; for (;;) { const h = await clusterHealth(via.log, via.system, n); const why = isSettled(h, n); if (why === undefined) return { ms: performance.now() - t, h }; if (why !== last) out({ why, at: performance.now() - t }); last = why; if (performance.now() - t > patience) { out(h); return { ms: -1, h }; } await sleep(20); } };
test('grow shrink', async () => {
  const c = await TestCluster.start(2);
  await c.formed();
  try {
    const m1 = c.members[0]!;
    await m1.stateLog.createIfMissing(101, 2);
    out({ two: (await settled(c, 2, m1)).ms });
    let k = 100; let done = false; let gap = 0; let lastAck = performance.now();
    const writing = (async () => { while (!done) { for (;;) { const o = await m1.stateLog.append(k, Buffer.from(`r${k}`)); if (o.kind === 'committed') break; const r = await m1.stateLog.read(k + 1, 1).catch(() => []); if (r.length > 0) break; await sleep(20); } k++; gap = Math.max(gap, performance.now() - lastAck); lastAck = performance.now(); await sleep(5); } })();
    await sleep(300);
    for (let round = 0; round < 3; round++) {
      out('--- grow'); gap = 0;
      let t = performance.now();
      const m3 = await c.grow(`joiner${round}`);
      out({ launched: performance.now() - t, gap }); gap = 0;
      for (let n = 0; ; n++) { const h = await clusterHealth(m1.log, m1.system, 3); if (n % 50 === 0) out(h); if (n === 100) { out(m1.lines); out(m3.lines); throw new Error('no meta'); } if (h.metaSize === 3 && h.metaPeers.every((p) => p.current && !p.offline)) break; await sleep(20); }
      out({ meta3: performance.now() - t, gap }); gap = 0;
      await m1.stateLog.setReplicas(3);
      out({ asked: performance.now() - t });
      done = false;
      out({ r3: (await settled(c, 3, m1)).ms, total: performance.now() - t, gap }); gap = 0;
      await sleep(500);
      out('--- shrink');
      t = performance.now();
      const h = await clusterHealth(m1.log, m1.system, 3);
      out({ streamLeaderIsJoiner: h.streamLeader === m3.server.name, metaLeaderIsJoiner: h.metaLeader === m3.server.name, group: h.streamGroup, ids: h.metaPeers.every((p) => p.peerId === peerIdOf(p.name)) });
      if (round === 2) { // make joiner lead both
        await stepDownStream(m1.log, m3.server.name); await stepDownMeta(m1.system, m3.server.name); await sleep(500);
      }
      await m1.stateLog.setReplicas(2);
      const s = await settled(c, 3, m1);
      out({ r2: s.ms, gap, copies: s.h.copies.map((x) => x.server), group: s.h.streamGroup, leader: s.h.streamLeader, meta: s.h.metaLeader }); gap = 0;
      // the copy may be on m2+m3
      const victim = round === 1 ? m3 : m3;
      const t2 = performance.now();
      try { out({ removed: await removeServer(m1.system, victim.server.name), ms: performance.now() - t2 }); } catch (e) { out({ remove: String(e), ms: performance.now() - t2 }); }
      out({ again: await removeServer(m1.system, victim.server.name).catch((e) => String(e)) });
      await c.unpin(victim);
      const s2 = await settled(c, 2, m1);
      out({ two: s2.ms, total: performance.now() - t, gap, copies: s2.h.copies.map((x) => x.server) });
      out({ lines: victim.lines.slice(-12) });
      await victim.server.stop();
    }
    done = true; await writing;
    out(await m1.stateLog.bounds()); out({ k });
    out(m1.lines.slice(-40));
  } finally { await c.stop(); }
}, 220_000);

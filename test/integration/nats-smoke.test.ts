import { test, expect } from '@jest/globals';
import { TestBus } from '../support/nats.ts';
test('smoke', async () => {
  const t0=performance.now();
  const bus = await TestBus.start();
  process.stderr.write(`start ${performance.now()-t0}\n`);
  const log = await bus.log();
  process.stderr.write(JSON.stringify(await log.bounds())+'\n');
  process.stderr.write(JSON.stringify(await log.append(0, Buffer.from('a')))+'\n');
  process.stderr.write(JSON.stringify(await log.append(0, Buffer.from('a')))+'\n');
  process.stderr.write(JSON.stringify(await log.append(1, Buffer.from('b')))+'\n');
  process.stderr.write(JSON.stringify(await log.read(1,10))+'\n');
  await log.purge(0);
  process.stderr.write(JSON.stringify(await log.bounds())+'\n');
  await log.purge(1);
  process.stderr.write(JSON.stringify(await log.bounds())+'\n');
  await log.purge(5);
  process.stderr.write(JSON.stringify(await log.bounds())+'\n');
  process.stderr.write(JSON.stringify(await log.append(2, Buffer.from('b')))+'\n');
  for (const size of [1024, 65536]) {
    const data = Buffer.alloc(size, 1);
    let last = (await log.bounds()).last;
    const times: number[]=[];
    for (let i=0;i<3000;i++){const t=performance.now(); const o=await log.append(last,data); times.push(performance.now()-t); if(o.kind!=='committed') throw new Error(o.cause); last=o.seq;}
    times.sort((a,b)=>a-b);
    const sum=times.reduce((a,b)=>a+b,0);
    process.stderr.write(`${size}: p50 ${times[1500]} p99 ${times[2970]} ops ${3000/sum*1000}\n`);
  }
  await bus.serveAuth();
  const m = await bus.connect('manager1','manager');
  const w = await bus.connect('worker1','worker');
  m.subscribe('natswarm.v1.agent.*.hello', (x)=>x.reply?.({ok:true, got: x.body}));
  await new Promise(r=>setTimeout(r,50));
  process.stderr.write(JSON.stringify(await w.request('natswarm.v1.agent.worker1.hello',{a:1},1000))+'\n');
  await w.request('natswarm.v1.agent.worker2.hello',{a:1},1000).catch(e=>process.stderr.write(String(e)+e.code+'\n'));
  process.stderr.write(bus.lines.join('\n')+'\n');
  await bus.stop();
  expect(1).toBe(1);
}, 60000);

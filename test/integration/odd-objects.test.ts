// The docker CLI against a state with objects that are not of their form: one of them costs nobody the list.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { Node, Service, Task } from '../../domain/model/objects.ts';
import { aNode, aService, aTask, ask, FakeSwarm, type Front, startFront } from '../support/api.ts';
import { dockerCli } from '../support/engine.ts';

const id = (name: string): string => name.padEnd(25, '0');
const odd = {
  node: [
    {
      description: { ...aNode().description, engine: { labels: { a: { b: 1 } }, plugins: [null] } },
    },
    {
      description: {
        ...aNode().description,
        tls: { trustRoot: 1, issuerSubject: '?', issuerPublicKey: '?' },
      },
    },
    { description: 'x', meta: { version: 'x', createdAt: 1e300 }, status: null },
  ],
  service: [
    { spec: { ...aService().spec, Name: 'odd0', Mode: { Replicated: {} }, TaskTemplate: null } },
    {
      spec: { Name: 'odd1', Labels: [1], EndpointSpec: { Ports: [{ TargetPort: 'x' }] } },
      updateStatus: { startedAt: 1e300 },
    },
  ],
  task: [
    {
      status: {
        ...aTask().status,
        at: 1e300,
        container: { pid: 'x' },
        ports: [null, { TargetPort: -1 }],
      },
    },
    { spec: { ContainerSpec: { Image: 5, Env: [1] } }, slot: 'x', meta: null },
    { status: null, desired: 7, nodeId: null },
  ],
};

let front: Front;
beforeAll(async () => {
  front = await startFront(
    new FakeSwarm({
      node: [
        aNode(),
        ...odd.node.map(
          (more, i) =>
            ({
              ...aNode(),
              role: 'worker',
              manager: undefined,
              ...more,
              id: id(`odd${i}`),
            }) as never as Node,
        ),
      ],
      service: [
        aService(),
        ...odd.service.map(
          (more, i) => ({ ...aService(), ...more, id: id(`odd${i}`) }) as never as Service,
        ),
      ],
      task: [
        aTask(),
        ...odd.task.map((more, i) => ({ ...aTask(), ...more, id: id(`odd${i}`) }) as never as Task),
      ],
    }),
  );
});
afterAll(() => front.stop());

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await dockerCli(front.socket, join(front.dir, 'cli'), args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

test.each([
  [['node', 'ls'], odd.node.length + 1],
  [['service', 'ls'], odd.service.length + 1],
  [['service', 'ps', 'web'], odd.task.length + 1],
])('docker %s shows them all', async (args, count) => {
  expect((await docker(...args, '-q')).trim().split('\n')).toHaveLength(count);
  await docker(...args);
});

test('docker info, and each object by itself', async () => {
  expect(await docker('info')).toContain(`Nodes: ${odd.node.length + 1}`);
  for (const kind of ['node', 'service', 'task'] as const)
    for (const i of odd[kind].keys()) {
      await docker('inspect', '--type', kind, id(`odd${i}`));
      if (kind !== 'task') await docker(kind, 'inspect', '--pretty', id(`odd${i}`));
    }
});

test.each([
  ['/nodes', { name: ['h'], label: ['disk'], 'node.label': ['zone'], role: ['worker'] }],
  ['/services', { name: ['o'], label: ['team'], mode: ['replicated'] }],
  [
    '/tasks',
    { name: ['o'], label: ['team'], 'desired-state': ['running'], '_up-to-date': ['true'] },
  ],
])('%s answers with every filter, and only with what is known to match', async (path, filters) => {
  for (const [key, value] of Object.entries(filters)) {
    const text = encodeURIComponent(JSON.stringify({ [key]: value }));
    const { status, text: body } = await ask(front.socket, 'GET', `${path}?filters=${text}`);
    expect([status, Array.isArray(JSON.parse(body))]).toEqual([200, true]);
  }
});

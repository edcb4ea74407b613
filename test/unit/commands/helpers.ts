import type { CommandContext } from '../../../domain/commands/command.ts';
import { commands } from '../../../domain/commands/mod.ts';
import type { Cluster, Node, Service, Task } from '../../../domain/model/objects.ts';
import { clusterDefaults } from '../../../domain/spec/cluster.ts';
import type { Change, Draft } from '../../../domain/store/changes.ts';
import { Store } from '../../../domain/store/store.ts';

export const now = 1_700_000_000_000;

const cluster: Draft<'cluster'> = {
  id: 'c'.repeat(25),
  spec: clusterDefaults,
  rootCa: { certPem: 'cert', keyPem: 'key', tokens: { worker: 'W', manager: 'M' } },
  busIssuerSeed: 'seed',
  defaultAddrPool: ['10.0.0.0/8'],
  subnetSize: 24,
  dataPathPort: 4789,
};

export const nodeDraft = (id: string, fields: Partial<Node> = {}): Draft<'node'> => ({
  id,
  spec: { Labels: {}, Role: 'manager', Availability: 'active' },
  role: 'manager',
  status: { state: 'ready', message: '', addr: '10.0.0.1' },
  ...fields,
});

export const taskDraft = (id: string, fields: Partial<Task> = {}): Draft<'task'> => ({
  id,
  serviceId: 's1',
  slot: 1,
  nodeId: 'n1',
  spec: { ContainerSpec: { Image: 'x' }, ForceUpdate: 0 },
  specVersion: 1,
  serviceName: 'web',
  serviceLabels: {},
  status: { state: 'running', at: 1, message: 'started' },
  desired: 'running',
  ...fields,
});

/** A store in which commands happen one after the other, as in a log. */
export class World {
  readonly store = new Store();
  #ids = 0;
  #keys = 0;
  ctx: CommandContext = {
    now,
    newId: () => `id${++this.#ids}`,
    random: () => 0,
    newJoinToken: (role) => `new-${role}`,
    newUnlockKey: () => `key-${++this.#keys}`,
  };

  constructor(...extra: readonly Change[]) {
    this.apply([
      { op: 'put', kind: 'cluster', object: cluster },
      { op: 'put', kind: 'node', object: nodeDraft('n1') },
      ...extra,
    ]);
  }

  apply(changes: readonly Change[]): void {
    this.store.apply({ index: this.store.index + 1, at: now, changes });
  }

  run(name: string, body: unknown): unknown {
    const { changes, result } = commands[name]?.decide(this.store, this.ctx, body) ?? {};
    if (changes === undefined) throw new Error(`no command ${name}`);
    this.apply(changes);
    return result;
  }

  /** Creates a service and answers its id. */
  create(spec: unknown, more: object = {}): string {
    return (this.run('service.create', { spec, ...more }) as { id: string }).id;
  }

  service(id: string): Service {
    const service = this.store.service(id);
    if (service === undefined) throw new Error(`no service ${id}`);
    return service;
  }

  /** Updates a service at its present version, unless `more` says otherwise. */
  update(id: string, spec: unknown, more: object = {}): unknown {
    return this.run('service.update', {
      id,
      version: this.service(id).meta.version,
      spec,
      ...more,
    });
  }

  cluster(): Cluster {
    const found = this.store.cluster();
    if (found === undefined) throw new Error('no cluster');
    return found;
  }
}

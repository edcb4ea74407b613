import type { Node } from '../../../domain/model/objects.ts';
import type { Change } from '../../../domain/store/changes.ts';
import type { View } from '../../../domain/store/view.ts';
import { digest } from '../check/digest.ts';
import { Random } from '../world/random.ts';
import type { HandoverHost } from './host.ts';
import { type HandoverOptions, HandoverWorld } from './world.ts';

export interface HandoverResult {
  readonly failure: Error | undefined;
  readonly acknowledged: number;
  /** Writes to disks: at each of them the power may fail. */
  readonly steps: number;
  readonly generation: number;
  readonly powerCuts: number;
  /** How often messages were lost or late, by `operation direction fate`. */
  readonly mishaps: Readonly<Record<string, number>>;
  readonly lines: readonly string[];
}

const writeEveryMs = 1_000;
const calmLimitMs = 180_000;

/** How many machines there are, how often they lose their power and messages are lost, drawn by seed. */
export function drawHandover(seed: number, unsynced = false): HandoverOptions {
  const random = new Random(seed, 'passage options');
  const powerOffEveryMs = random.between(4_000, 20_000);
  const hosts = random.pick([2, 2, 3, 3, 4]);
  return { seed, hosts, powerOffEveryMs, mishapRate: random.pick([0, 0.2, 0.5]), unsynced };
}

/**
 * One manager becomes several, and several become one, again and again, under a stream of commands. In the end all
 * machines are left alone, and everything that was acknowledged must be with every manager.
 */
export async function simulateHandover(options: HandoverOptions): Promise<HandoverResult> {
  const world = new HandoverWorld(options);
  const acknowledged: string[] = [];
  let failure: Error | undefined;
  let generation = 0;
  try {
    await found(world);
    write(world, acknowledged);
    follow(world);
    world.disturb();
    await comeAndGo(world);
    world.calm();
    await world.settle('passage', calmLimitMs, () => unsettled(world, acknowledged));
    generation = Math.max(...world.hosts.map((host) => host.generation));
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const { steps, lines, powerCuts } = world;
  return {
    failure,
    acknowledged: acknowledged.length,
    steps,
    generation,
    powerCuts,
    mishaps: Object.fromEntries(world.mishaps.hits),
    lines,
  };
}

export async function found(world: HandoverWorld): Promise<void> {
  const [founder] = world.hosts;
  if (founder === undefined) return;
  founder.disk.place = { nodeId: founder.id, generation: 1 };
  world.createLog(1);
  founder.disk.storeOf(1);
  founder.start();
  await world.run(1);
  let done = false;
  founder.manager
    ?.propose(() => ({ changes: world.firstObjects(), result: undefined }))
    .then(
      () => (done = true),
      (error: unknown) => world.fail(error),
    );
  await world.run(10_000, () => done);
}

/** A client that writes through whichever manager runs. */
export function write(world: HandoverWorld, acknowledged: string[]): void {
  let number = 0;
  const next = async (): Promise<void> => {
    const name = `s${number++}`;
    const running = world.hosts.filter(({ manager }) => manager !== undefined);
    if (running.length > 0) {
      const outcome = await world.random.pick(running).command('service.create', {
        spec: {
          Name: name,
          Mode: { Replicated: { Replicas: 0 } },
          TaskTemplate: { ContainerSpec: { Image: 'busybox' } },
        },
      });
      if (outcome.kind === 'acknowledged') acknowledged.push(name);
    }
    world.clock.setTimeout(() => void next(), writeEveryMs);
  };
  void next();
}

/** What daemons do about the role that their certificates say. */
export function follow(world: HandoverWorld): void {
  const newest = newestView(world);
  for (const host of newest === undefined ? [] : world.hosts) {
    const node = newest?.node(host.id);
    // a manager that has just started may not have read that far
    if (node === undefined) continue;
    const isManager = node.role === 'manager';
    if (isManager === (host.place !== undefined)) continue;
    if (world.mishaps.draw('renewal', 'answer') !== undefined) continue;
    if (!isManager && host.place !== undefined) host.become(undefined);
    if (
      isManager &&
      host.place === undefined &&
      world.clock.now() > world.hosts.indexOf(host) * 4_000
    )
      host.become({ nodeId: host.id, generation: 0, form: 'several', joining: true });
  }
  world.clock.setTimeout(() => follow(world), 500);
}

/** Grows to all managers, back to one, and grows again. */
async function comeAndGo(world: HandoverWorld): Promise<void> {
  const wish = (host: HandoverHost, role: 'manager' | 'worker'): Promise<void> =>
    setRole(world, host, role);
  await world.run(60_000, () => world.hosts.every(hasPlace(world)));
  const order = [...world.hosts].sort(() => world.random.next() - 0.5);
  for (const host of order.slice(1)) {
    await wish(host, 'worker');
    await world.run(world.random.between(0, 15_000));
  }
  await world.run(60_000, () => order.slice(1).every((host) => host.place === undefined));
  for (const host of order.slice(1)) await wish(host, 'manager');
  await world.run(30_000);
}

/** Asks until it is so, as a user would. */
export async function setRole(
  world: HandoverWorld,
  { id }: HandoverHost,
  role: 'manager' | 'worker',
): Promise<void> {
  const isSo = (): boolean => newestView(world)?.node(id)?.spec.Role === role;
  for (let i = 0; i < 30 && !isSo(); i++) {
    const leader = world.hosts.find(({ manager }) => manager?.isLeading() === true);
    leader?.manager
      ?.propose((view) => {
        const node = view.node(id);
        return { changes: node === undefined ? [] : [roleOf(node, role)], result: undefined };
      })
      .catch(() => undefined);
    await world.run(1_000, isSo);
  }
}

const roleOf = ({ id, spec, manager }: Node, role: 'manager' | 'worker'): Change => ({
  op: 'patch',
  kind: 'node',
  id,
  // a manager's certificate comes at once; a worker's when the leader lets the manager go, if it has a place
  fields: { ...((role === 'manager' || !manager) && { role }), spec: { ...spec, Role: role } },
});

export function newestView(world: HandoverWorld): View | undefined {
  let newest: View | undefined;
  for (const { manager } of world.hosts) {
    const view = manager?.view();
    if (view !== undefined && view.index > (newest?.index ?? -1)) newest = view;
  }
  return newest;
}

export const hasPlace =
  (world: HandoverWorld) =>
  (host: HandoverHost): boolean => {
    const node = newestView(world)?.node(host.id);
    return (
      node?.manager !== undefined &&
      node.manager.joining === undefined &&
      host.place?.joining === undefined
    );
  };

/** What is not yet as it must be in the end; '' for nothing. */
export function unsettled(world: HandoverWorld, acknowledged: readonly string[]): string {
  const newest = newestView(world);
  if (newest === undefined) return 'no manager runs';
  const managers = world.hosts.filter(({ id }) => newest.node(id)?.role === 'manager');
  for (const host of managers) {
    const { manager, id } = host;
    if (manager === undefined) return `manager ${id} does not run`;
    if (!hasPlace(world)(host) && managers.length > 1) return `manager ${id} has no place`;
    if (manager.generation !== managers[0]?.generation) return `${id} is in another generation`;
    if (manager.view().index !== newest.index) return `${id} is behind`;
  }
  if (managers.filter(({ manager }) => manager?.isLeading() === true).length !== 1)
    return 'not one manager leads';
  const names = new Set([...newest.list('service')].map(({ spec }) => spec.Name));
  const lost = acknowledged.filter((name) => !names.has(name));
  if (lost.length > 0)
    return `acknowledged and lost: ${lost.slice(0, 5).join(', ')} (${lost.length})`;
  // last, for it is dear, and this is asked after each step
  const expected = digest(newest);
  const other = managers.find(({ manager }) => manager && digest(manager.view()) !== expected);
  return other === undefined ? '' : `${other.id} has another state`;
}

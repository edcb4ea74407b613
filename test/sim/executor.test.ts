import { expect, test } from '@jest/globals';
import type { Task } from '../../domain/model/objects.ts';
import { VirtualClock } from '../../supervisors/virtual-clock.ts';
import { type Behaviour, executorContract, type ExecutorHarness } from '../contract/executor.ts';
import { type Program, SimulatedEngine } from './world/container-engine.ts';
import { simulatedExecutor } from './world/executor.ts';
import { Random } from './world/random.ts';

/** The behaviour travels in the command. */
const programOf = (task: Task): Program => {
  const [text = '{"kind":"forever"}'] = task.spec.ContainerSpec.Command ?? [];
  const behaviour = JSON.parse(text) as Behaviour;
  const lines = (texts: readonly string[]) =>
    texts.map((line) => ({ stream: 'stdout' as const, text: line }));
  switch (behaviour.kind) {
    case 'forever':
      return {};
    case 'exits':
      return { exit: behaviour };
    case 'signalled':
      return { stop: behaviour.code };
    case 'stubborn':
      return { stop: 'ignored' };
    case 'prints':
      return {
        output: lines(behaviour.lines),
        ...(behaviour.exits ? { exit: { afterMs: 100, code: 0 } } : {}),
      };
    case 'prints to both':
      return {
        output: [
          { stream: 'stderr', text: behaviour.lines[0] },
          { stream: 'stdout', text: behaviour.lines[1] },
        ],
        exit: { afterMs: 100, code: 0 },
      };
    case 'broken':
      return { broken: 'no such file or directory' };
    case 'eats memory':
      return { exit: { afterMs: 200, code: 137, outOfMemory: true } };
    case 'healthy':
    case 'unhealthy':
    case 'sick later':
      return { health: behaviour.kind };
    case 'healthy, exits':
      return { health: 'healthy', exit: { afterMs: 1_000, code: behaviour.code } };
  }
};

/** Virtual time goes on by itself, a timer per turn of the event loop. */
function startPump(clock: VirtualClock): () => void {
  let next: NodeJS.Immediate;
  const turn = (): void => {
    clock.step();
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  return () => clearImmediate(next);
}

function simulated(seed: number): ExecutorHarness {
  const clock = new VirtualClock();
  const random = new Random(seed);
  const engine = new SimulatedEngine({ clock, random: () => random.next(), program: programOf });
  engine.missingImages.add('no-such:7');
  const stopPump = startPump(clock);
  return {
    executor: () => simulatedExecutor(engine),
    taskSpec: (behaviour) => ({
      container: { Image: 'sleep:1', Command: [JSON.stringify(behaviour)] },
    }),
    hears: async () => undefined, // here they do from their start
    rename: async () => undefined, // containers have no names here
    down: async () => engine.down(),
    up: async () => engine.up(),
    hang: async () => engine.hang(),
    resume: async () => engine.resume(),
    reboot: async () => {
      engine.powerOff();
      engine.up();
    },
    close: async () => {
      stopPump();
      for (const [task, starts] of engine.starts) expect([task, starts]).toEqual([task, 1]);
    },
  };
}

executorContract('the simulated executor', async () => simulated(1));

/** Gives the virtual time that it took. */
async function runMany(tasks: number, seed: number): Promise<number> {
  const clock = new VirtualClock();
  const random = new Random(seed);
  const engine = new SimulatedEngine({ clock, random: () => random.next() });
  const executor = simulatedExecutor(engine);
  const stopPump = startPump(clock);
  const controllers = Array.from({ length: tasks }, (_, i) => executor.controller(plain(i)));
  const codes = await Promise.all(
    controllers.map(async (controller) => {
      const scope = new AbortController().signal;
      await controller.prepare(scope);
      await controller.start(scope);
      const exit = controller.wait(scope);
      await controller.shutdown(scope);
      return (await exit).container.exitCode;
    }),
  );
  stopPump();
  expect(new Set(codes)).toEqual(new Set([0]));
  expect([...engine.starts.values()]).toEqual(Array.from({ length: tasks }, () => 1));
  return clock.now();
}

const plain = (i: number): Task => ({
  id: String(i).padStart(25, '0'),
  meta: { version: 1, createdAt: 0, updatedAt: 0 },
  serviceId: 's',
  slot: i + 1,
  nodeId: 'n',
  spec: { ContainerSpec: { Image: 'sleep:1' }, ForceUpdate: 0 },
  specVersion: 1,
  serviceName: 'many',
  serviceLabels: {},
  status: { state: 'assigned', at: 0, message: '' },
  desired: 'running',
});

test('the same seed gives the same course, another one another', async () => {
  const times = [await runMany(100, 7), await runMany(100, 7), await runMany(100, 8)];
  expect(times[1]).toBe(times[0]);
  expect(times[2]).not.toBe(times[0]);
});

test('ten thousand tasks run on one simulated engine', async () => {
  expect(await runMany(10_000, 1)).toBeLessThan(5_000);
});

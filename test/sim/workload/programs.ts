import type { Task } from '../../../domain/model/objects.ts';
import type { Program } from '../world/container-engine.ts';
import type { Random } from '../world/random.ts';
import { behaviourOf } from './specs.ts';

/** What the container of a task does, by its image's name. */
export function programOf(task: Task, random: Random): Program {
  const stop = random.weighted({ '0': 6, '1': 1, ignored: 2 });
  const program: Program = { stop: stop === 'ignored' ? stop : Number(stop) };
  const afterMs = random.pick([0, 50, 1_000, 8_000]) * random.next();
  switch (behaviourOf(task.spec.ContainerSpec.Image)) {
    case 'crashing':
      return { ...program, exit: { afterMs, code: 1, outOfMemory: random.chance(0.1) } };
    case 'finishing':
      return { ...program, exit: { afterMs, code: 0 } };
    case 'sick':
      return { ...program, health: random.pick(['unhealthy', 'sick later']) };
    case 'broken':
      return { ...program, broken: 'exec format error' };
    case 'healthy':
      return { ...program, health: 'healthy' };
    case 'steady':
    case 'missing':
      return program;
  }
}

/** Its image can be had nowhere. */
export const isMissing = (task: Task | undefined): boolean =>
  task !== undefined && behaviourOf(task.spec.ContainerSpec.Image) === 'missing';

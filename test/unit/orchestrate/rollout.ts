import type { UpdateConfig } from '../../../domain/model/spec.ts';
import { type Fate, forever, replicas, World } from './world.ts';

export const config = (options: Partial<UpdateConfig>): { UpdateConfig: UpdateConfig } => ({
  UpdateConfig: { Parallelism: 1, MaxFailureRatio: 0, ...options },
});
export const broken: Fate = { fails: 'starting' };
export const breaks = (world: World, image: string, fate: Fate = broken): void => {
  world.fate = (task) => (task.spec.ContainerSpec.Image === image ? fate : forever);
};
export const status = (world: World) => world.service('web').updateStatus;
export const images = (world: World): string[] =>
  world
    .tasks('web')
    .filter((t) => t.desired === 'running' && t.status.state === 'running')
    .map((t) => `${t.slot} ${t.spec.ContainerSpec.Image}`)
    .sort();

export function started(count: number, patch: Parameters<World['create']>[1] = {}): World {
  const world = new World(3);
  world.create('web', { ...replicas(count), ...patch });
  world.settle();
  return world;
}

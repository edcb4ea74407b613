const own: ReadonlySet<string> = new Set([
  'swarm',
  'nodes',
  'services',
  'tasks',
  'secrets',
  'configs',
  'natswarm',
]);

export const firstPart = (path: string): string => path.split('/', 2)[1] ?? '';

/** Everything below these is natswarm's alone: what it does not know there, the engine is not asked. */
export const isOwnPath = (path: string): boolean => own.has(firstPart(path));

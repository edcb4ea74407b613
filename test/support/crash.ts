import type { Registry } from '../../supervisors/registry.ts';

const crashText = 'made to crash by a test';

/** Makes a running actor throw, inside of itself: it reads its event's type, and that throws. */
export function crash(registry: Registry, address: string): void {
  const event = {
    get type(): string {
      throw new Error(crashText);
    },
  };
  const actor = registry.get(address);
  if (actor === undefined) throw new Error(`no actor at ${address}`);
  actor.send(event);
}

export const isCrash = (error: unknown): boolean => String(error).includes(crashText);

/** What kind of actor lives at an address: the IDs of nodes, services and tasks are left out. */
export const kindOf = (address: string): string =>
  address
    .split('/')
    .map((part) => (/^[a-z0-9]{25}$/.test(part) ? '*' : part))
    .join('/');

/** One address of each kind of actor that runs. */
export const oneOfEachKind = (tree: ReturnType<Registry['tree']>): ReadonlyMap<string, string> =>
  new Map(
    tree
      .filter(({ state }) => state !== 'restarting')
      .map(({ address }) => [kindOf(address), address]),
  );

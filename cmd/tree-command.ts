import type { Command } from 'commander';
import { askDaemon, reporting } from './backup-commands.ts';

interface TreeOptions {
  readonly host: string;
  readonly cluster?: boolean;
  readonly node?: string;
  readonly json?: boolean;
}

/** As `GET /natswarm/tree` answers. */
export interface TreeOfNode {
  readonly NodeID: string;
  readonly Hostname: string;
  readonly Actors: readonly ActorRow[];
  readonly More: number;
  readonly Error?: string;
}
export interface ActorRow {
  readonly Address: string;
  readonly Supervisor: string;
  readonly State: string;
  readonly Phase?: string;
  readonly ForMs: number;
  readonly Restarts: number;
  readonly LastError: string;
  readonly Mailbox?: number;
}

/** `natswarm tree`. */
export function addTreeCommand(program: Command): void {
  program
    .command('tree')
    .description('show what runs: the actors of this node, of another one, or of the whole cluster')
    .option('--host <unix:///PATH>', 'socket of the daemon', 'unix:///run/natswarm.sock')
    .option('--cluster', 'of every node; on a manager')
    .option('--node <NODE>', 'of this node, by its ID or hostname; on a manager')
    .option('--json', 'print the API’s answer')
    .action((options: TreeOptions) => reporting(() => tree(options)));
}

async function tree({ host, cluster, node, json }: TreeOptions): Promise<string> {
  const which = node === undefined ? '' : `/${encodeURIComponent(node)}`;
  const all = cluster === true && node === undefined ? '?cluster=1' : '';
  const answer = String(await askDaemon(host, `/natswarm/tree${which}${all}`, 'GET')).trim();
  if (json === true) return answer;
  const nodes: readonly TreeOfNode[] = JSON.parse(answer);
  return nodes.map(renderTree).join('\n\n');
}

/** One node's actors as a table, the addresses as a tree. */
export function renderTree({ NodeID, Hostname, Actors, More, Error }: TreeOfNode): string {
  const names = [NodeID, Hostname].filter((name) => name !== '').join(' ');
  const title = names === '' ? 'this daemon is in no swarm' : `node ${names}`;
  if (Error !== undefined) return `${title}\n  ${Error}`;
  const head = ['ADDRESS', 'STATE', 'FOR', 'RESTARTS', 'MAILBOX', 'LAST ERROR'];
  const lines = columns([head, ...rowsOf(Actors)]);
  if (More > 0) lines.push(`… and ${More} more`);
  return [title, ...lines].join('\n');
}

/** A row for each actor, below its place; places without an actor of their own have a row with their name only. */
function rowsOf(actors: readonly ActorRow[]): readonly (readonly string[])[] {
  const rows: (readonly string[])[] = [];
  const seen = new Set<string>();
  for (const actor of actors) {
    const names = actor.Address.split('/');
    const named = (depth: number): string => `${'  '.repeat(depth)}${names[depth]}`;
    for (let depth = 0; depth < names.length - 1; depth++) {
      const place = names.slice(0, depth + 1).join('/');
      if (!seen.has(place)) rows.push([named(depth)]);
      seen.add(place);
    }
    seen.add(actor.Address);
    rows.push([named(names.length - 1), ...cellsOf(actor)]);
  }
  return rows;
}

const cellsOf = (actor: ActorRow): readonly string[] => [
  actor.Phase === undefined ? actor.State : `${actor.Phase} (${actor.State})`,
  timeText(actor.ForMs),
  String(actor.Restarts),
  String(actor.Mailbox ?? '-'),
  actor.LastError,
];

function timeText(ms: number): string {
  const s = Math.floor(ms / 1_000);
  if (s < 60) return `${s}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}m${s % 60}s`;
  return s < 86_400
    ? `${Math.floor(s / 3_600)}h${Math.floor((s % 3_600) / 60)}m`
    : `${Math.floor(s / 86_400)}d`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

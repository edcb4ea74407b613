// What joins the hosts of a test: a bridge in a network namespace of its own, one port for each host. Frames are
// dropped and slowed here, outside of the hosts: nothing in them shows it, and nothing they do to their own network
// (dockerd's firewall, say) undoes it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { BASH, type CommandResult, run, type RunOptions } from '../engine.ts';
import { must } from './processes.ts';

/** What a host's card does to each frame, in both directions. */
export type Shape = { readonly delayMs: number } | { readonly kbit: number };

// Ends the fabric at the end of its input: when it is closed, or when the test's process dies, however it dies. The
// hosts clean up after themselves likewise (engine-host.sh), and this waits for them.
const GUARD = `
trap '' INT TERM HUP PIPE
prefix=$1; shift
echo ready; read -r _
for n in {1..200}; do compgen -G "/run/netns/$prefix-h*" >/dev/null || break; sleep 0.05; done
ip netns del "$prefix-fabric"
for n in {1..100}; do rm -rf --one-file-system -- "$@" 2>/dev/null && break; sleep 0.05; done
`;

export class Fabric {
  readonly netns: string;
  /** The fabric's own address: the hosts' way to everywhere else, which leads nowhere. */
  readonly gateway: string;
  readonly #prefix: string;
  readonly #subnet: string;
  readonly #folders: readonly string[];
  readonly #cuts = new Set<string>();
  readonly #shapes = new Map<string, Shape>();
  #guard: ChildProcess | undefined;
  #applied: Promise<unknown> = Promise.resolve();

  /** `subnet`: the first three numbers of the addresses. `folders` are removed at the end. */
  constructor(prefix: string, subnet: string, folders: readonly string[]) {
    this.netns = `${prefix}-fabric`;
    this.gateway = `${subnet}.254`;
    this.#prefix = prefix;
    this.#subnet = subnet;
    this.#folders = folders;
  }

  address(index: number): string {
    return `${this.#subnet}.${index}`;
  }

  async up(): Promise<void> {
    const [program, ...args] = [...BASH, GUARD, 'fabric', this.#prefix, ...this.#folders] as const;
    const guard = spawn(program, args, {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#guard = guard;
    // before anything is made that it would have to remove
    await once(guard.stdout, 'data');
    guard.unref();
    await must(['ip', 'netns', 'add', this.netns]);
    await this.#ip(
      'link set lo up',
      'link add fab0 type bridge',
      `addr add ${this.gateway}/24 dev fab0`,
      'link set fab0 up',
      // a host that asks for somebody else is told at once that there is nobody
      'route add unreachable default',
    );
    const settings =
      'echo 1 >/proc/sys/net/ipv4/ip_forward; ' +
      // frames between hosts are no packets of this namespace
      'for file in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$file" ] || echo 0 >"$file"; done';
    await must([...this.enter, ...BASH, settings]);
  }

  /** Removes the namespace, and the folders. The hosts' power has to be off. */
  async down(): Promise<void> {
    const guard = this.#guard;
    if (guard === undefined) return;
    this.#guard = undefined;
    const ended = guard.exitCode !== null || guard.signalCode !== null;
    guard.ref();
    const exit = ended ? undefined : once(guard, 'exit');
    guard.stdin?.end();
    guard.stdout?.destroy();
    await exit;
  }

  /** Put before a command, this runs it at the fabric's own address: a client that is no host. */
  get enter(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.netns}`, '--'];
  }

  exec(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return run([...this.enter, ...argv], options);
  }

  /** Gives a host whose namespace is new its card, `eth0`. */
  async plug(host: string, netns: string, address: string): Promise<void> {
    // the one of before a power failure lives until the kernel has done away with its namespace
    await run(['ip', '-n', this.netns, 'link', 'del', `p-${host}`]);
    await must(
      ['ip', 'link', 'add', `p-${host}`, 'netns', this.netns].concat([
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        netns,
      ]),
    );
    await this.#ip(`link set p-${host} master fab0 up`);
    await batch(netns, [
      `link set eth0 address ${hardwareAddress(address)}`,
      `addr add ${address}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${this.gateway}`,
    ]);
    const shape = this.#shapes.get(host);
    if (shape !== undefined) await this.#shape(host, netns, shape);
  }

  /**
   * Loses what `from` sends to `to`, either of them undefined for everybody. ARP passes: behind a router, where such
   * faults are at home, addresses stay known. Without this the cut would soon be one in both directions.
   */
  async cutOneWay(from: string | undefined, to: string | undefined): Promise<void> {
    await this.#cut([`-p ! ARP ${direction(from, to)}`]);
  }

  /** Loses everything between two hosts, or between one and everybody. The cards see no loss of carrier. */
  async cut(host: string, peer: string | undefined): Promise<void> {
    await this.#cut([direction(host, peer), direction(peer, host)]);
  }

  /** Takes back all cuts in which the host is named, or all there are. */
  async heal(host: string | undefined): Promise<void> {
    if (this.#cuts.size === 0) return;
    const port = new RegExp(`-[io] p-${host}( |$)`);
    for (const cut of this.#cuts) if (host === undefined || port.test(cut)) this.#cuts.delete(cut);
    await this.#applyCuts();
  }

  /** Whether this kernel can delay frames: not every one is built with netem. */
  async canSlow(): Promise<boolean> {
    const qdisc = ['tc', '-n', this.netns, 'qdisc'];
    const added = await run([
      ...qdisc,
      'replace',
      'dev',
      'lo',
      'root',
      ...discipline({ delayMs: 1 }),
    ]);
    if (added.code === 0) await must([...qdisc, 'del', 'dev', 'lo', 'root']);
    return added.code === 0;
  }

  /** Remembered over a power failure; undefined: as fast as it goes. */
  async setShape(host: string, netns: string, powered: boolean, shape?: Shape): Promise<void> {
    if (shape === undefined) this.#shapes.delete(host);
    else this.#shapes.set(host, shape);
    if (powered) await this.#shape(host, netns, shape);
  }

  async #cut(rules: readonly string[]): Promise<void> {
    for (const rule of rules) this.#cuts.add(rule);
    await this.#applyCuts();
  }

  // One table at once, so that both directions end together; one after the other, so that the last one stays.
  #applyCuts(): Promise<void> {
    const applied = this.#applied.then(async () => {
      const rules = [...this.#cuts].flatMap((cut) => [
        `-A FORWARD ${cut} -j DROP`,
        ...(cut.includes('-o ') ? [] : [`-A INPUT ${cut} -j DROP`]),
        ...(cut.includes('-i ') ? [] : [`-A OUTPUT ${cut} -j DROP`]),
      ]);
      const chains = [':INPUT ACCEPT', ':FORWARD ACCEPT', ':OUTPUT ACCEPT'];
      const input = `${['*filter', ...chains, ...rules].join('\n')}\n`;
      // part of Debian's iptables, which dockerd needs
      await must([...this.enter, 'ebtables-nft-restore'], { input });
    });
    this.#applied = applied.catch(() => undefined);
    return applied;
  }

  async #shape(host: string, netns: string, shape: Shape | undefined): Promise<void> {
    const ends = [
      [netns, 'eth0'],
      [this.netns, `p-${host}`],
    ] as const;
    for (const [namespace, device] of ends) {
      const qdisc = ['tc', '-n', namespace, 'qdisc'];
      if (shape === undefined) await run([...qdisc, 'del', 'dev', device, 'root']);
      else await must([...qdisc, 'replace', 'dev', device, 'root', ...discipline(shape)]);
    }
  }

  async #ip(...commands: readonly string[]): Promise<void> {
    await batch(this.netns, commands);
  }
}

function discipline(shape: Shape): readonly string[] {
  return 'delayMs' in shape
    ? ['netem', 'delay', `${shape.delayMs}ms`, 'limit', '100000']
    : ['tbf', 'rate', `${shape.kbit}kbit`, 'burst', '32kb', 'latency', '400ms'];
}

/** The same after every boot, as a real card's: others remember it for a minute. */
function hardwareAddress(address: string): string {
  return [
    '02',
    '42',
    ...address.split('.').map((n) => Number(n).toString(16).padStart(2, '0')),
  ].join(':');
}

function direction(from: string | undefined, to: string | undefined): string {
  return [from && `-i p-${from}`, to && `-o p-${to}`].filter(Boolean).join(' ');
}

async function batch(netns: string, commands: readonly string[]): Promise<void> {
  await must(['ip', '-n', netns, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

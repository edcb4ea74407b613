import type { ClusterChanges, NatsServer } from '../bus/nats/server.ts';
import type { TlsMaterial } from '../bus/nats/link.ts';
import { readCertificates } from '../pki/mod.ts';
import type { Clock } from '../supervisors/clock.ts';
import { Gathered, type Settling } from './gathered.ts';

/**
 * How long a change of the server's files waits for others: each reload costs every node its connection, and at a rotation
 * of the root much changes together. A new root is followed by certificates of it; who is trusted no more is refused by the
 * auth callout already.
 */
const settling = {
  urgent: { quietMs: 250, latestMs: 750 },
  moreRoots: { quietMs: 600, latestMs: 1_200 },
  fewerRoots: { quietMs: 5_000, latestMs: 10_000 },
  failed: { quietMs: 5_000, latestMs: 10_000 },
} as const satisfies Record<string, Settling>;

export interface ServerReloadsOptions {
  readonly server: Pick<NatsServer, 'reload'>;
  readonly clock: Pick<Clock, 'now' | 'setTimeout' | 'clearTimeout'>;
  /** What the server is to have now. */
  readonly tls: () => TlsMaterial;
  readonly cluster: () => ClusterChanges;
  readonly onReloaded: () => void;
  readonly onFailed: (error: Error) => void;
}

/** Has a server take its changed certificates, roots and peers into use, as seldom as may be. */
export class ServerReloads {
  readonly #options: ServerReloadsOptions;
  readonly #gathered: Gathered;
  /** What the server runs with. */
  #tls: TlsMaterial;

  constructor(options: ServerReloadsOptions) {
    this.#options = options;
    this.#tls = options.tls();
    this.#gathered = new Gathered(() => this.#reload(), options.clock);
  }

  certificatesChanged(): void {
    this.#gathered.ask(settling[kindOf(this.#tls, this.#options.tls())]);
  }
  peersChanged(): void {
    this.#gathered.ask(settling.urgent);
  }
  end(): void {
    this.#gathered.end();
  }

  async #reload(): Promise<void> {
    const { server, tls, cluster, onReloaded, onFailed } = this.#options;
    const next = tls();
    try {
      const isReloaded = await server.reload(next, cluster());
      this.#tls = next;
      if (isReloaded) onReloaded();
    } catch (error) {
      onFailed(error as Error);
      this.#gathered.ask(settling.failed);
    }
  }
}

function kindOf(before: TlsMaterial, after: TlsMaterial): keyof typeof settling {
  if (before.cert !== after.cert || before.key !== after.key) return 'urgent';
  const known = new Set(rootsIn(before));
  return rootsIn(after).every((root) => known.has(root)) ? 'fewerRoots' : 'moreRoots';
}

const rootsIn = ({ ca }: TlsMaterial): readonly string[] =>
  readCertificates(ca).map(({ x509 }) => x509.fingerprint256);

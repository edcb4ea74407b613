import type { Cluster } from '../world/cluster.ts';
import { keyText, pinOf } from '../world/certificate.ts';
import type { Seen } from './audit.ts';
import { Violation } from './violation.ts';

/**
 * The key that a manager's server uses is always among those that the others accept, that of a node among those by which
 * it may come back, and a root is the only one when
 * every node's certificate is of it.
 */
export class CertificateCheck {
  readonly #cluster: () => Cluster;

  constructor(cluster: () => Cluster) {
    this.#cluster = cluster;
  }

  readonly record = ({ seq, applied, store }: Seen): void => {
    const { hosts } = this.#cluster();
    for (const change of applied) {
      const { kind, before, after } = change;
      if (kind === 'node' && after?.pins !== undefined && after.pins !== before?.pins) {
        const host = this.#cluster().host(after.id);
        if (host?.isManager === true && !after.pins.includes(pinOf(host.certificate.key)))
          throw new Violation('pins', `record ${seq}: the key that ${host.id} uses is dropped`);
      }
      if (kind === 'node' && after?.keys !== undefined && after.keys !== before?.keys) {
        const used = this.#cluster().host(after.id)?.certificate.key;
        if (used !== undefined && !after.keys.some(({ key }) => key === keyText(used)))
          throw new Violation('keys', `record ${seq}: the key that ${after.id} uses is dropped`);
      }
      if (kind !== 'cluster' || before === undefined || after === undefined) continue;
      const { certPem } = after.rootCa;
      if (certPem === before.rootCa.certPem) continue;
      const other = hosts.find(
        ({ id, certificate }) => store.node(id) !== undefined && certificate.issuer !== certPem,
      );
      if (other !== undefined)
        throw new Violation('root', `record ${seq}: ${other.id} has no certificate of ${certPem}`);
    }
  };
}

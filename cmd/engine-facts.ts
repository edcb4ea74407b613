import { request } from 'node:http';

/** What the daemon itself must know of its engine. */
export interface EngineFacts {
  /** `LocalNodeState` of the engine's own swarm mode. */
  readonly swarmState: string;
  /** Subnets of its networks, CIDR. */
  readonly subnets: readonly string[];
}

interface Network {
  readonly IPAM?: { readonly Config?: readonly { readonly Subnet?: string }[] | null };
}

/** Rejects when the engine does not answer. */
export async function engineFacts(socketPath: string, signal: AbortSignal): Promise<EngineFacts> {
  const [info, networks] = await Promise.all([
    get<{ Swarm?: { LocalNodeState?: string } }>(socketPath, '/info', signal),
    get<readonly Network[]>(socketPath, '/networks', signal),
  ]);
  return {
    swarmState: info.Swarm?.LocalNodeState ?? 'inactive',
    subnets: networks.flatMap((n) => (n.IPAM?.Config ?? []).flatMap((c) => c.Subnet ?? [])),
  };
}

function get<T>(socketPath: string, path: string, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath, path, signal }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => (text += chunk));
      res.on('error', reject);
      res.on('end', () => {
        if (res.statusCode !== 200)
          reject(new Error(`engine: GET ${path}: ${res.statusCode} ${text}`));
        else resolve(JSON.parse(text) as T);
      });
    });
    req.on('error', reject);
    req.end();
  });
}

/** An IP address as 16 bytes; IPv4 in its IPv6-mapped form, so that both spellings of one address are equal. */
export type Address = readonly number[];

const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** Undefined when `text` is no address. Zones (`%eth0`) are not addresses of a cluster. */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(':')) {
    const v4 = parseV4(text);
    return v4 === undefined ? undefined : [...mapped, ...v4];
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '');
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return [...head, ...Array<number>(missing).fill(0), ...tail];
}

export interface Network {
  readonly address: Address;
  /** Length of the prefix in the 16 bytes. */
  readonly bits: number;
}

/** Reads a CIDR (`10.0.0.0/8`); undefined when it is none. */
export function parseNetwork(cidr: string): Network | undefined {
  const [text = '', length = '', ...rest] = cidr.split('/');
  const address = parseAddress(text);
  if (address === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const bits = Number(length) + (text.includes(':') ? 0 : mapped.length * 8);
  return bits > 128 ? undefined : { address, bits };
}

export const contains = (network: Network, address: Address): boolean =>
  network.address.every((byte, i) => {
    const mask = 0xff & (0xff00 >> Math.min(8, Math.max(0, network.bits - i * 8)));
    return (byte & mask) === ((address[i] ?? 0) & mask);
  });

function parseV4(text: string): number[] | undefined {
  if (!/^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text)) return undefined;
  const bytes = text.split('.').map(Number);
  return bytes.every((b) => b <= 255) ? bytes : undefined;
}

/** Groups of IPv6, the last one perhaps in dotted form. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    const v4 = i === groups.length - 1 && group.includes('.') ? parseV4(group) : undefined;
    if (v4 !== undefined) bytes.push(...v4);
    else if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return undefined;
  }
  return bytes;
}

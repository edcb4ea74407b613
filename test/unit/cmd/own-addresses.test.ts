import { expect, test } from '@jest/globals';
import type { NetworkInterfaceInfo } from 'node:os';
import type { Interfaces } from '../../../cmd/addresses.ts';
import { cliListenAddr } from '../../../cmd/config.ts';
import { ownAddresses } from '../../../cmd/own-addresses.ts';

const at = (address: string, internal = false): NetworkInterfaceInfo =>
  ({ address, family: address.includes(':') ? 'IPv6' : 'IPv4', internal }) as NetworkInterfaceInfo;
const interfaces: Interfaces = {
  lo: [at('127.0.0.1', true), at('::1', true)],
  eth0: [at('192.0.2.7')],
};

interface Asked {
  readonly listenAddr?: string;
  readonly advertiseAddr?: string;
  readonly dataPathAddr?: string;
}
/** What other nodes are told, with what the daemon is set to. */
async function told(
  asked: Asked,
  set: Partial<{ listenAddr: string; advertiseAddr: string }> = {},
) {
  const { listenAddr, advertiseHost, advertisePort } = await ownAddresses(
    { listenAddr: cliListenAddr, advertiseAddr: '', ...set },
    () => Promise.resolve([]),
    { listenAddr: cliListenAddr, advertiseAddr: '', dataPathAddr: '', ...asked },
    interfaces,
  );
  return [listenAddr, advertiseHost, advertisePort];
}

test.each([
  [{}, {}, ['0.0.0.0:2377', '192.0.2.7', '2377']],
  // it listens there and nowhere else
  [{ listenAddr: '[::1]:2377' }, {}, ['[::1]:2377', '::1', '2377']],
  [{ listenAddr: '127.0.0.1:99' }, {}, ['127.0.0.1:99', '127.0.0.1', '99']],
  [{ listenAddr: '[::1]:2377' }, { advertiseAddr: '127.0.0.1' }, ['[::1]:2377', '::1', '2377']],
  [{ listenAddr: 'lo' }, { advertiseAddr: 'eth0' }, ['127.0.0.1:2377', '127.0.0.1', '2377']],
  [{}, { listenAddr: '[::1]:2400' }, ['[::1]:2400', '::1', '2400']],
  // at all of them
  [{ listenAddr: '[::]:2377' }, { advertiseAddr: '::1' }, ['[::]:2377', '::1', '2377']],
  // somebody forwards it
  [
    { listenAddr: '192.0.2.7:2377' },
    { advertiseAddr: '203.0.113.9:80' },
    ['192.0.2.7:2377', '203.0.113.9', '80'],
  ],
  [
    { listenAddr: '192.0.2.7:2377' },
    { advertiseAddr: '192.0.2.7:80' },
    ['192.0.2.7:2377', '192.0.2.7', '80'],
  ],
  // as asked, whatever comes of it
  [
    { listenAddr: '[::1]:2377', advertiseAddr: '127.0.0.1' },
    {},
    ['[::1]:2377', '127.0.0.1', '2377'],
  ],
])('asked for %j where the daemon is set to %j', async (asked, set, expected) => {
  expect(await told(asked, set)).toEqual(expected);
});

test.each(['', 'lo', 'eth0', '127.0.0.1', '::1', '198.51.100.1'])(
  'data path address "%s"',
  async (dataPathAddr) => {
    await expect(told({ dataPathAddr })).resolves.toHaveLength(3);
  },
);

test.each([
  '0.0.0.0',
  '0.0.0.0:2000',
  '::',
  '[::]',
  '[::1]',
  '[::1]:2000',
  '127.0.0.1:2000',
  'lo:2000',
  'nonsense',
  'localhost',
  '1.2.3',
  'a:b:c',
])('data path address %s is refused', async (dataPathAddr) => {
  await expect(told({ dataPathAddr })).rejects.toMatchObject({
    code: 'InvalidArgument',
    message:
      'data path address must be a non-zero IP address or network interface (without a port number)',
  });
});

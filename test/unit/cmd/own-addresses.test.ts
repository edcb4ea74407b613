import { expect, test } from '@jest/globals';
import type { NetworkInterfaceInfo } from 'node:os';
import type { Interfaces } from '../../../cmd/addresses.ts';
import { cliListenAddr } from '../../../cmd/config.ts';
import { movedAddresses, ownAddresses } from '../../../cmd/own-addresses.ts';

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

const before = {
  listenAddr: '0.0.0.0:2377',
  advertiseHost: '192.0.2.1',
  advertisePort: '2377',
  advertisesOwn: true,
} as const;
const moved = (
  change: object,
  set = '',
  now: Interfaces = interfaces,
): ReturnType<typeof movedAddresses> =>
  movedAddresses({ advertiseAddr: set }, () => Promise.resolve([]), { ...before, ...change }, now);

test('the machine has another address: the node is found there', async () => {
  expect(await moved({})).toEqual({ ...before, advertiseHost: '192.0.2.7' });
  expect(await moved({ listenAddr: '192.0.2.1:99' })).toMatchObject({
    listenAddr: '192.0.2.7:99',
    advertiseHost: '192.0.2.7',
  });
  expect(await moved({}, 'eth0')).toMatchObject({ advertiseHost: '192.0.2.7' });
  // what the daemon is set to is gone as well
  expect(await moved({}, '192.0.2.1')).toMatchObject({ advertiseHost: '192.0.2.7' });
});

test('nothing has moved', async () => {
  expect(await moved({ advertiseHost: '192.0.2.7' })).toBeUndefined();
  expect(await moved({ advertiseHost: '127.0.0.1' })).toBeUndefined();
  // somebody forwards it
  expect(await moved({ advertiseHost: '203.0.113.9', advertisesOwn: undefined })).toBeUndefined();
  // the network is away, or nobody can say which
  expect(await moved({}, '', { lo: [at('127.0.0.1', true)] })).toBeUndefined();
  expect(await moved({}, '', { a: [at('192.0.2.8')], b: [at('192.0.2.9')] })).toBeUndefined();
});

test('an address that is not this machine’s is not taken for its own', async () => {
  const asked = { listenAddr: cliListenAddr, dataPathAddr: '' };
  const own = (advertiseAddr: string) =>
    ownAddresses(
      { listenAddr: cliListenAddr, advertiseAddr: '' },
      () => Promise.resolve([]),
      { ...asked, advertiseAddr },
      interfaces,
    );
  expect(await own('192.0.2.7')).toMatchObject({ advertisesOwn: true });
  expect(await own('203.0.113.9')).not.toHaveProperty('advertisesOwn');
});

// The node's certificate is renewed when somebody wants it. Disk and managers are ports.

import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { NodeRenewal } from '../../../../actors/node/certificate/node-renewal.ts';
import { daemonFault } from '../../../../domain/errors.ts';
import { Registry } from '../../../../supervisors/registry.ts';
import type { runs } from '../../../../supervisors/run.ts';
import { VirtualClock } from '../../../../supervisors/virtual-clock.ts';
import { settle } from '../../../support/settle.ts';

const day = 86_400_000;

function node({ notAfter: first = 90 * day, own = false } = {}) {
  let notAfter = first;
  const does: string[] = [];
  let keys = 0;
  let pending: string | undefined;
  const refusing = new Set<string>();
  let onAsk = (): void => undefined;
  const renewal = new NodeRenewal<string>({
    disk: {
      held: () => ({
        notBefore: 0,
        notAfter,
        role: 'manager',
        issuer: { subject: 's', publicKey: 'k' },
      }),
      hasBegun: () => pending !== undefined,
      begin: () => {
        pending ??= `key ${++keys}`;
        return { key: pending, request: `for ${pending}` };
      },
      isPending: ({ key }) => key === pending,
      take: ({ key }, issued) => {
        does.push(`take ${issued} ${key}`);
        pending = undefined;
        notAfter = 90 * day;
      },
      takeOwn: () => {
        if (own) does.push('take own');
        if (own) notAfter = 90 * day;
        return own;
      },
      onChange: () => () => undefined,
    },
    managers: {
      known: () => ['b:2377', 'c:2377'],
      renew: async (addr, request) => {
        does.push(`ask ${addr} ${request}`);
        onAsk();
        if (refusing.has(addr)) throw daemonFault('Unavailable', 'nobody answers');
        return 'certificate';
      },
    },
    onIssued: (issued) => does.push(`issued ${issued}`),
    clock: new VirtualClock(),
    wallNow: () => day,
    random: () => 0.5,
    report: () => undefined,
    registry: new Registry(),
  });
  const end = new AbortController();
  const { logic, input } = renewal.part() as ReturnType<typeof runs>;
  createActor(logic, { input: input(end.signal, () => undefined) }).start();
  return {
    renewal,
    does,
    refusing,
    end,
    replaceKey: () => (pending = `key ${++keys}`),
    onAsk: (run: () => void) => (onAsk = run),
  };
}

test('the manager that said so is asked first, and the next one when it does not answer', async () => {
  const { renewal, does, refusing, end } = node();
  refusing.add('d:2377');
  renewal.now('d:2377');
  await settle();
  expect(does).toEqual([
    'ask d:2377 for key 1',
    'ask b:2377 for key 1',
    'take certificate key 1',
    'issued certificate',
  ]);
  expect(renewal.complaint()).toBe('');
  end.abort();
});

test('a certificate for a key that has been replaced meanwhile is of no use: one is asked for the new key', async () => {
  const { renewal, does, end, replaceKey, onAsk } = node();
  onAsk(() => {
    onAsk(() => undefined);
    replaceKey();
  });
  renewal.now();
  await settle();
  expect(does).toEqual([
    'ask b:2377 for key 1',
    'ask b:2377 for key 2',
    'take certificate key 2',
    'issued certificate',
  ]);
  end.abort();
});

test('a manager whose certificate has expired gives itself one; a node that cannot asks, and says so', async () => {
  const manager = node({ notAfter: day / 2, own: true });
  await settle();
  expect(manager.does[0]).toBe('take own');
  expect(manager.does).not.toContain('ask b:2377 for key 1');
  manager.end.abort();
  const other = node({ notAfter: day / 2 });
  expect(other.renewal.complaint()).toContain('has expired');
  await settle();
  expect(other.does[0]).toBe('ask b:2377 for key 1');
  other.end.abort();
  await settle();
  expect(other.renewal.complaint()).toBe('');
});

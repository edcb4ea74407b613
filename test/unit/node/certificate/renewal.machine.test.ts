import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { renewalMachine } from '../../../../actors/node/certificate/renewal.machine.ts';
import { VirtualClock } from '../../../../supervisors/virtual-clock.ts';
import { settle } from '../../../support/settle.ts';

const hour = 3_600_000;
const day = 24 * hour;

/** A node whose certificate lives for 10 days from time 0; each renewal gives another 10. */
function node(outcomes: readonly ('ok' | 'fails')[] = []) {
  const clock = new VirtualClock();
  const scope = new AbortController();
  const renewedAt: number[] = [];
  const logged: string[] = [];
  let issuedAt = 0;
  const held = () => ({
    notBefore: issuedAt - hour,
    notAfter: issuedAt + 10 * day,
    issuer: { subject: 's', publicKey: 'k' },
    role: 'worker' as const,
  });
  const left = [...outcomes];
  const actor = createActor(renewalMachine, {
    clock,
    input: {
      scope: scope.signal,
      held,
      hasBegun: () => false,
      now: () => clock.now(),
      random: () => 0,
      log: (event) => logged.push(event),
      renew: () => {
        renewedAt.push(clock.now());
        if (left.shift() === 'fails') return Promise.reject(new Error('no manager'));
        issuedAt = clock.now();
        return Promise.resolve();
      },
    },
  });
  actor.start();
  /** In steps, since what a promise starts needs a turn of the event loop. */
  const pass = async (ms: number): Promise<void> => {
    for (let step = 0; step < ms; step += hour / 12) {
      clock.advance(hour / 12);
      await settle();
    }
  };
  return { actor, pass, renewedAt, logged };
}

test('renews at half of the life, and goes on with the new certificate', async () => {
  const { pass, renewedAt, logged } = node();
  await pass(5 * day - hour);
  expect(renewedAt).toEqual([]);
  await pass(6 * day);
  expect(renewedAt).toEqual([5 * day, 10 * day]);
  expect(logged).toEqual(['certificate_renewed', 'certificate_renewed']);
});

test('a failure is repeated, sooner than the certificate ends', async () => {
  const { pass, renewedAt, logged } = node(['fails', 'fails', 'ok']);
  await pass(5 * day + hour);
  expect(renewedAt).toHaveLength(3);
  expect((renewedAt[1] ?? 0) - (renewedAt[0] ?? 0)).toBeLessThanOrEqual(5 * 60_000);
  expect(logged).toEqual([
    'certificate_not_renewed',
    'certificate_not_renewed',
    'certificate_renewed',
  ]);
});

test('on demand at once', async () => {
  const { actor, pass, renewedAt } = node();
  await pass(hour);
  actor.send({ type: 'renew' });
  await settle();
  expect(renewedAt).toEqual([hour]);
});

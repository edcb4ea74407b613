import { expect, test } from '@jest/globals';
import { renewalOf, renewalRetryAt } from '../../../domain/ca/renewal.ts';

const hour = 3_600_000;
const issued = 1_700_000_000_000;
const root = { subject: 's', publicKey: 'k' };
const held = (life: number) => ({
  notBefore: issued - hour,
  notAfter: issued + life,
  issuer: root,
  role: 'worker' as const,
});

test('between half and four fifths of the life since the issuance, by chance', () => {
  const life = 90 * 24 * hour;
  const at = (random: number) => renewalOf(held(life), {}, random).at - issued;
  expect(at(0)).toBe(life * 0.5);
  expect(at(0.5)).toBe(life * 0.65);
  expect(at(0.999_999)).toBeLessThanOrEqual(life * 0.8);
  expect(at(0.999_999)).toBeGreaterThan(life * 0.799);
});

test('the shortest certificate is not due when it is issued, and leaves time to try again', () => {
  expect(renewalOf(held(hour), {}, 0).at - issued).toBe(hour / 2);
  expect(renewalOf(held(hour), {}, 1).at - issued).toBe(hour * 0.8);
});

test('a certificate that was hardly backdated is renewed within its life', () => {
  const short = { ...held(hour / 2), notBefore: issued };
  expect(renewalOf(short, {}, 0).at - issued).toBe(hour / 4);
});

test('at once when it is not what the manager wants', () => {
  const long = held(90 * 24 * hour);
  const now = (wanted: object) => renewalOf(long, wanted, 0.5);
  expect(now({ issuer: { ...root, publicKey: 'other' } })).toEqual({ at: 0, reason: 'issuer' });
  expect(now({ issuer: { ...root, subject: 'other' } })).toEqual({ at: 0, reason: 'issuer' });
  expect(now({ issuer: root, role: 'manager' })).toEqual({ at: 0, reason: 'role' });
  expect(now({ issuer: { ...root }, role: 'worker' }).reason).toBe('age');
});

test('retries wait longer each time, up to an hour', () => {
  const far = { notAfter: issued + 1000 * hour };
  const pauses = [1, 2, 3, 4, 11, 500].map((n) => renewalRetryAt(n, far, issued, 0) - issued);
  expect(pauses).toEqual([5_000, 10_000, 20_000, 40_000, hour, hour]);
  expect(renewalRetryAt(2, far, issued, 0.999) - issued).toBeGreaterThan(5_000);
  expect(renewalRetryAt(2, far, issued, 0.999) - issued).toBeLessThan(5_010);
});

test('what is left of the life is not slept through', () => {
  const soon = { notAfter: issued + 10 * 60_000 };
  expect(renewalRetryAt(100, soon, issued, 0) - issued).toBe(5 * 60_000);
  expect(renewalRetryAt(100, { notAfter: issued + 1 }, issued, 0) - issued).toBe(5_000);
  expect(renewalRetryAt(100, { notAfter: issued - 1 }, issued, 0) - issued).toBe(hour);
});

import { expect, test } from '@jest/globals';
import { soakKills } from '../soak/kills.ts';

test('no acknowledged command is lost and no container ended by kill -9 of daemon and nats-server', async () => {
  const result = await soakKills({ kills: 10, acked: 100, seed: 1 }, () => undefined);
  expect(result).toMatchObject({ kills: 10, lost: 0, restarted: 0 });
  expect(result.acked).toBeGreaterThanOrEqual(100);
});

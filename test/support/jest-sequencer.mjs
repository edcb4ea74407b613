// The order in which test files begin: what takes long first, so that the end of a run is not one long file alone.

import { basename } from 'node:path';
import Sequencer from '@jest/test-sequencer';

/** Seconds that files took side by side, where that is more than half a minute. `deploy/test` prints the slowest. */
const seconds = {
  daemon: 145,
  failover: 115,
  compat: 110,
  switch: 95,
  'bad-input': 85,
  managers: 80,
  nodes: 75,
  'join-pending': 70,
  'nats-log': 65,
  hosts: 65,
  'ca-rotation': 50,
  disaster: 50,
  autolock: 50,
  'log-damage': 50,
  'ca-return': 40,
  kills: 40,
  engine: 35,
  'docker-executor': 35,
  'nats-cluster': 35,
};
/** New files begin early rather than last. */
const unknownSeconds = { cluster: 60, integration: 30 };

const secondsOf = ({ path, context }) =>
  seconds[basename(path, '.test.ts')] ?? unknownSeconds[context.config.displayName?.name] ?? 0;

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const rest = super.sort(tests);
    return rest.toSorted((a, b) => secondsOf(b) - secondsOf(a));
  }
}

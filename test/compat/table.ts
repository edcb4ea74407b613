// Commands and bad inputs that are run, in this order, against dockerd's own swarm mode and against natswarm. Exit code,
// output and message must be the same after normalisation (normalise.ts), except where a row says why they differ.

import { badSpecs } from './bad-specs.ts';
import { ended, outside, started } from './cluster.ts';
import { lists } from './lists.ts';
import { nodes } from './nodes.ts';
import type { Row } from './row.ts';
import { services } from './services.ts';
import { flags } from './flags.ts';
import { tasks } from './tasks.ts';
import { templates } from './templates.ts';
import { updates } from './updates.ts';

export const table: readonly Row[] = [
  ...outside,
  ...started,
  ...nodes,
  ...services,
  ...flags,
  ...templates,
  ...updates,
  ...tasks,
  ...lists,
  ...badSpecs,
  ...ended,
];

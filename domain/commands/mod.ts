import { clusterUpdate } from './cluster.ts';
import type { Command } from './command.ts';
import { nodeJoin, nodeRejoin } from './join.ts';
import { nodePin } from './keys.ts';
import { managerEnroll, managerSeated, managerStarted } from './manager.ts';
import { nodeRemove, nodeUpdate } from './node.ts';
import { serviceCreate, serviceRemove, serviceUpdate } from './service.ts';

/** Every command by its name on the bus. Names come from clients: the table has no prototype to be found in. */
export const commands: Readonly<Record<string, Command>> = Object.assign(
  Object.create(null) as Record<string, Command>,
  {
    'service.create': serviceCreate,
    'service.update': serviceUpdate,
    'service.remove': serviceRemove,
    'node.join': nodeJoin,
    'node.pin': nodePin,
    'node.rejoin': nodeRejoin,
    'node.update': nodeUpdate,
    'node.remove': nodeRemove,
    'manager.enroll': managerEnroll,
    'manager.seated': managerSeated,
    'manager.started': managerStarted,
    'cluster.update': clusterUpdate,
  },
);

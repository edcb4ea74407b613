import type { Task } from '../model/objects.ts';
import { kindOf } from './kind.ts';

export const taskKind = kindOf<Task>()({
  hasVersionOfSpec: false,
  indexes: {
    service: ({ serviceId }) => serviceId,
    node: ({ nodeId }) => (nodeId === '' ? undefined : nodeId),
  },
});

import type { Node } from '../model/objects.ts';
import { kindOf } from './kind.ts';

export const nodeKind = kindOf<Node>()({
  hasVersionOfSpec: true,
  indexes: {
    /** Managers only: they are few, and of workers nobody asks for all. */
    role: ({ role }) => (role === 'manager' ? role : undefined),
  },
});

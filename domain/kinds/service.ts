import type { Service } from '../model/objects.ts';
import { kindOf } from './kind.ts';

export const serviceKind = kindOf<Service>()({
  hasVersionOfSpec: true,
  indexes: {
    /** Names are unique without regard to case. */
    name: ({ spec }) => spec.Name.toLowerCase(),
  },
});

import { type Format, versionBefore } from './format.ts';

/** One transaction of the state log; its first version had a number from the beginning. */
export const recordFormat: Format = { what: 'record of the log', version: 1, upgrades: {} };

export const checkpointFormat: Format = {
  what: 'checkpoint',
  version: 1,
  // there, tasks may have all that they share with others
  upgrades: { [versionBefore]: (old) => ('templates' in old ? {} : { templates: [] }) },
};

/** Files of a manager's journal: what their frames are like. */
export const journalFormat: Format = { what: 'journal', version: 1, upgrades: {} };

/** What `natswarm backup` writes; the checkpoint in it has a version of its own. */
export const backupFormat: Format = { what: 'backup', version: 1, upgrades: {} };

/** Bodies of the bus, whose subjects have a version of their own: what a node's hello tells. */
export const wireFormat: Format = {
  what: 'hello',
  version: 1,
  upgrades: { [versionBefore]: () => ({}) },
};

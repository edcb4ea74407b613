import { VirtualClock } from '../../supervisors/virtual-clock.ts';
import { journalContract } from '../contract/journal.ts';
import { settleOn } from '../support/virtual-time.ts';
import { JournalDisk } from './world/journal.ts';
import { SimProcess } from './world/process.ts';
import { Random } from './world/random.ts';

journalContract('simulated disk', async () => {
  const clock = new VirtualClock();
  const disk = new JournalDisk(new Random(1));
  let process = new SimProcess(clock);
  return {
    open: async () => {
      process = new SimProcess(clock);
      return disk.open(process);
    },
    crash: async () => process.kill(),
    settle: (promise) => settleOn(clock, promise),
    close: async () => {},
  };
});

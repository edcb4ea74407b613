/** A process that runs the seeds that it is sent, one at a time (`pool.ts`). */
import process from 'node:process';
import { runSeed, type SeedJob } from './seed.ts';

process.on('message', (job: SeedJob) => {
  void runSeed(job).then((report) => process.send?.(report));
});

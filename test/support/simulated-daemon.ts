// The daemon's entry with simulated containers, for benchmarks of the control plane alone. A container whose image is
// named `crash` ends with code 1 after 100 ms; every other runs on. Takes the daemon's own flags.

import { Command } from 'commander';
import { addDaemonOptions, readConfig } from '../../cmd/config.ts';
import { runDaemon } from '../../cmd/daemon.ts';
import { systemClock } from '../../supervisors/clock.ts';
import { SimulatedEngine } from '../sim/world/container-engine.ts';
import { simulatedExecutor } from '../sim/world/executor.ts';

const engine = new SimulatedEngine({
  clock: systemClock,
  random: Math.random,
  program: (task) =>
    task.spec.ContainerSpec.Image.startsWith('crash') ? { exit: { afterMs: 100, code: 1 } } : {},
});

const program = new Command('natswarm-simulated');
addDaemonOptions(program.command('daemon')).action((_options, command: Command) =>
  runDaemon(readConfig(command), { executor: simulatedExecutor(engine) }),
);
await program.parseAsync();

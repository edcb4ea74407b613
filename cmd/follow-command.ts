import type { Command } from 'commander';
import { askDaemon, reporting } from './backup-commands.ts';

/** `natswarm follow`. */
export function addFollowCommand(program: Command): void {
  program
    .command('follow')
    .description(
      'on a manager whose state and log contradict each other: set its state aside and follow the other managers',
    )
    .option('--host <unix:///PATH>', 'socket of the daemon', 'unix:///run/natswarm.sock')
    .action(({ host }: { readonly host: string }) =>
      reporting(async () => {
        await askDaemon(host, '/natswarm/log/follow', 'POST');
        return 'The state of this manager is set aside; it gets the state from the other managers.';
      }),
    );
}

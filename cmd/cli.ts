#!/usr/bin/env node
import { Command } from 'commander';
import { addBackupCommands } from './backup-commands.ts';
import { addDaemonOptions, readConfig } from './config.ts';
import { addFollowCommand } from './follow-command.ts';
import { runDaemon } from './daemon.ts';
import { addTreeCommand } from './tree-command.ts';
import { version } from './version.ts';

const program = new Command('natswarm')
  .description('Docker Swarm rebuilt as actors on a NATS bus. Drive it with the docker CLI.')
  .version(version)
  .showHelpAfterError('(see `natswarm --help`)');

addDaemonOptions(
  program
    .command('daemon')
    .description('serve the Docker API with swarm mode in front of this host’s Docker Engine'),
)
  .addHelpText(
    'after',
    '\nEvery setting can be given as a flag, as its environment variable or in the file; the first of these wins.\n' +
      'Then: docker -H unix:///run/natswarm.sock swarm init',
  )
  .action(async (_options, command: Command) => {
    let config: ReturnType<typeof readConfig>;
    try {
      config = readConfig(command);
    } catch (error) {
      return command.error(`natswarm: ${(error as Error).message}`);
    }
    await runDaemon(config);
  });

addBackupCommands(program);
addFollowCommand(program);
addTreeCommand(program);

await program.parseAsync();

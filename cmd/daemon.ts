import { createDockerExecutor } from '../actors/agent/adapters/docker-executor.ts';
import type { Executor } from '../actors/agent/ports.ts';
import { createApi } from '../api/server.ts';
import { errorText } from '../domain/errors.ts';
import { tlsInfo } from '../pki/mod.ts';
import { aborted, systemClock } from '../supervisors/clock.ts';
import { Registry } from '../supervisors/registry.ts';
import { Supervisor } from '../supervisors/supervisor.ts';
import { trees } from '../supervisors/trees.ts';
import { type Config, unknownVariables } from './config.ts';
import { claimDirectory } from './directory.ts';
import { type EngineFacts, engineFacts } from './engine-facts.ts';
import { actorLog, createLogger, type Logger } from './log.ts';
import { NodeFiles } from './node-files.ts';
import { SwarmNode } from './swarm-node.ts';
import { version } from './version.ts';

/** Time that a clean end may take before the process ends anyhow, ms. Containers go on in either case. */
const stopLimitMs = 9_000;
const engineNoticeMs = 5_000;

export interface DaemonParts {
  /** Instead of the Docker Engine's: benchmarks run simulated containers. */
  readonly executor?: Executor;
  /** Where the daemon's actors are found: a test makes them crash. */
  readonly registry?: Registry;
}

/** Runs the daemon until SIGTERM or SIGINT. Sets the process' exit code; never rejects. */
export async function runDaemon(config: Config, parts: DaemonParts = {}): Promise<void> {
  const logger = createLogger(config.logLevel);
  const scope = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      logger.info({ signal }, 'stopping');
      scope.abort();
      // not unref'd work would keep the process alive for ever
      setTimeout(() => process.exit(1), stopLimitMs).unref();
    });
  process.on('uncaughtException', (error) => {
    logger.fatal({ error: error.stack ?? String(error) }, 'uncaught');
    process.exit(70);
  });
  try {
    await serve(config, parts, logger, scope.signal);
    logger.info({}, 'stopped');
    process.exit(0);
  } catch (error) {
    logger.fatal({ error: errorText(error) }, 'cannot_run');
    process.stderr.write(`natswarm: ${errorText(error)}\n`);
    process.exit(1);
  }
}

async function serve(
  config: Config,
  parts: DaemonParts,
  logger: Logger,
  scope: AbortSignal,
): Promise<void> {
  logger.info({ version, ...config }, 'starting');
  for (const name of unknownVariables(process.env)) logger.warn({ name }, 'unknown_variable');
  const files = new NodeFiles(config.stateDir);
  claimDirectory('state-dir', config.stateDir);
  claimDirectory('run-dir', config.runDir);
  const executor =
    parts.executor ??
    createDockerExecutor({
      socketPath: config.engineSocket,
      scope,
      isOffline: config.preferOfflineImage,
      registryRetryMs: config.registryRetryMs,
      report: actorLog(logger, { actor: 'engine' }),
    });
  const facts = await awaitEngine(config, executor, logger, scope);
  if (facts === undefined) return;
  refuseSwarmMode(facts, config);
  const { registry = new Registry() } = parts;
  const report = actorLog(logger, { actor: 'daemon' });
  let escalate: (reason: unknown) => void = () => undefined;
  const escalated = new Promise<never>((_, reject) => {
    escalate = reject;
  });
  const ports = {
    clock: systemClock,
    random: Math.random,
    report: (event: string, fields: object, level?: 'info' | 'warn') =>
      report(event, { node: node.local().nodeId, ...fields }, level),
    registry,
  };
  const supervisor = new Supervisor(trees.daemon.flags, [], ports, (reason) => escalate(reason));
  const node = new SwarmNode({
    config,
    files,
    executor,
    logger,
    supervisor,
    registry,
    engineSubnets: async () => (await engineFacts(config.engineSocket, scope)).subnets,
  });
  const renew = (): void => node.renew();
  process.on('SIGHUP', renew);
  supervisor.start();
  node.start();
  const api = createApi({
    swarm: node,
    engineSocket: config.engineSocket,
    log: actorLog(logger, { actor: 'api' }),
    wallNow: Date.now,
    tlsInfo: (root) => tlsInfo(root, root),
  });
  for (const host of config.hosts) await api.listen(host);
  logger.info({ hosts: config.hosts, swarm: node.local().state }, 'ready');
  await Promise.race([aborted(scope), escalated]);
  await api.close(1_000);
  await supervisor.stop();
}

/** The API answers only once the engine does. Undefined when the daemon is to stop first. */
async function awaitEngine(
  config: Config,
  executor: Executor,
  logger: Logger,
  scope: AbortSignal,
): Promise<EngineFacts | undefined> {
  const notice = setInterval(
    () => logger.warn({ engine: config.engineSocket }, 'waiting_for_engine'),
    engineNoticeMs,
  );
  try {
    await executor.ready(scope);
    return scope.aborted ? undefined : await engineFacts(config.engineSocket, scope);
  } catch (error) {
    if (scope.aborted) return undefined;
    throw error;
  } finally {
    clearInterval(notice);
  }
}

function refuseSwarmMode(facts: EngineFacts, config: Config): void {
  if (facts.swarmState === 'inactive') return;
  throw new Error(
    `the Docker Engine at ${config.engineSocket} runs its own swarm mode (${facts.swarmState}). ` +
      `Two orchestrators cannot share an engine: leave that swarm with ` +
      `"docker -H unix://${config.engineSocket} swarm leave --force", then start natswarm again.`,
  );
}

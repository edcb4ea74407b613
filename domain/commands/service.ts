import { daemonFault, Fault } from '../errors.ts';
import type { Service } from '../model/objects.ts';
import type { ServiceSpec } from '../model/spec.ts';
import { newServiceName } from '../spec/name.ts';
import { checkPortConflicts } from '../spec/ports.ts';
import { checkServiceSpec, convertServiceSpec } from '../spec/service.ts';
import type { Change } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { Body } from './body.ts';
import type { Command } from './command.ts';
import { checkVersion, notFound } from './faults.ts';

/** Registry credentials travel with the spec, so that nodes can pull. */
function withAuth(spec: ServiceSpec, registryAuth: string): ServiceSpec {
  if (registryAuth === '') return spec;
  const ContainerSpec = {
    ...spec.TaskTemplate.ContainerSpec,
    PullOptions: { RegistryAuth: registryAuth },
  };
  return { ...spec, TaskTemplate: { ...spec.TaskTemplate, ContainerSpec } };
}

const authOf = (spec: ServiceSpec): string =>
  spec.TaskTemplate.ContainerSpec.PullOptions?.RegistryAuth ?? '';

/** `{spec, registryAuth?, apiVersion?}` → `{id, warnings}` */
export const serviceCreate: Command = {
  decide(view, ctx, input) {
    const body = new Body('service.create', input);
    const isTaken = (name: string): boolean => view.serviceByName(name) !== undefined;
    const bare = convertServiceSpec(body.raw('spec'), {
      apiVersion: body.text('apiVersion'),
      newName: () => newServiceName(ctx.random, isTaken),
    });
    const spec = withAuth(bare, body.text('registryAuth'));
    checkServiceSpec(spec);
    checkPortConflicts(view, spec.EndpointSpec, '');
    if (isTaken(spec.Name))
      throw new Fault(
        'AlreadyExists',
        `name conflicts with an existing object: service ${spec.Name} already exists`,
      );
    const id = ctx.newId();
    const change: Change = { op: 'put', kind: 'service', object: { id, spec, specVersion: 1 } };
    return { changes: [change], result: { id, warnings: null } };
  },
};

/** The credentials of an update: new ones, or those of a spec that the service has. */
function authFor(service: Service, body: Body): string {
  const given = body.text('registryAuth');
  if (given !== '') return given;
  const from = body.text('registryAuthFrom');
  if (from === '' || from === 'spec') return authOf(service.spec);
  if (from !== 'previous-spec') throw daemonFault('Unknown', 'unsupported registryAuthFrom value');
  if (service.previousSpec === undefined)
    throw daemonFault('Unknown', 'service does not have a previous spec');
  return authOf(service.previousSpec);
}

function isRollback(body: Body): boolean {
  const option = body.text('rollback');
  if (option !== '' && option !== 'none' && option !== 'previous')
    throw daemonFault('Unknown', `unrecognized rollback option ${option}`);
  return option === 'previous';
}

const sameEndpoint = (a: ServiceSpec, b: ServiceSpec): boolean =>
  JSON.stringify(a.EndpointSpec) === JSON.stringify(b.EndpointSpec);

/** What an update cannot change. */
function checkFixed(view: View, service: Service, spec: ServiceSpec): void {
  if (spec.EndpointSpec !== undefined && !sameEndpoint(spec, service.spec))
    checkPortConflicts(view, spec.EndpointSpec, service.id);
  if ((spec.Mode.Global === undefined) !== (service.spec.Mode.Global === undefined))
    throw new Fault('Unimplemented', 'service mode change is not allowed');
  if (spec.Name !== service.spec.Name)
    throw new Fault('Unimplemented', 'renaming services is not supported');
}

/** Swaps the two specs; the updater goes on with the rollback's own configuration. */
function rolledBack(service: Service, now: number): Partial<Service> {
  if (service.previousSpec === undefined)
    throw new Fault('FailedPrecondition', `service ${service.id} does not have a previous spec`);
  return {
    spec: service.previousSpec,
    previousSpec: service.spec,
    updateStatus: {
      state: 'rollback_started',
      message: 'manually requested rollback',
      startedAt: now,
    },
  };
}

/**
 * `{id, version, spec, rollback?, registryAuth?, registryAuthFrom?, apiVersion?}` → `{warnings}`. The object is
 * written even when nothing changes, as in Swarm: its version moves. A rollback checks the spec and then ignores it.
 */
export const serviceUpdate: Command = {
  decide(view, ctx, input) {
    const body = new Body('service.update', input);
    const bare = convertServiceSpec(body.raw('spec'), {
      apiVersion: body.text('apiVersion'),
      // No service has such a name, so an update without one is refused as a renaming, as in Swarm.
      newName: () => 'unnamed',
    });
    const id = body.id();
    const service = view.service(id);
    if (service === undefined) throw notFound('service', id);
    const spec = withAuth(bare, authFor(service, body));
    const rollback = isRollback(body);
    checkServiceSpec(spec);
    checkFixed(view, service, spec);
    const next = rollback
      ? rolledBack(service, ctx.now)
      : { spec, previousSpec: service.spec, updateStatus: undefined };
    checkVersion(service, body.version());
    const specVersion = service.specVersion + 1;
    const fields = { ...next, specVersion, updateProgress: undefined };
    return {
      changes: [{ op: 'patch', kind: 'service', id, fields }],
      result: { warnings: null },
    };
  },
};

/** `{id}` → `{}`. The service's tasks are taken down by its reconciler once it is gone. */
export const serviceRemove: Command = {
  decide(view, _ctx, input) {
    const id = new Body('service.remove', input).id();
    if (view.service(id) === undefined) throw notFound('service', id);
    return { changes: [{ op: 'delete', kind: 'service', id }], result: {} };
  },
};

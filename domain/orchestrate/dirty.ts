import type { Node, Service, Task } from '../model/objects.ts';
import type { EndpointSpec, TaskSpec } from '../model/spec.ts';
import { type Constraint, nodeMatches, parseConstraints } from '../schedule/constraint.ts';
import { flawOf } from '../schedule/flaw.ts';
import { isWanted, taskStateRank } from '../task-state.ts';
import { sameData } from './same-data.ts';

/** In which parts the spec that a task was made from differs from the service's. */
export interface SpecDifference {
  readonly placement: boolean;
  readonly registryAuth: boolean;
  readonly rest: boolean;
}

export function specDifference(service: Service, task: Task): SpecDifference {
  const wanted = service.spec.TaskTemplate;
  const found = task.spec;
  return {
    placement: !sameData(wanted.Placement, found.Placement),
    registryAuth: !sameData(wanted.ContainerSpec.PullOptions, found.ContainerSpec.PullOptions),
    rest:
      !sameData(remainder(wanted), remainder(found)) ||
      !sameData(endpoint(service.spec.EndpointSpec), endpoint(task.endpoint)),
  };
}

const remainder = (spec: TaskSpec): object => ({
  ...spec,
  Placement: undefined,
  ContainerSpec: { ...spec.ContainerSpec, PullOptions: undefined },
});

const endpoint = (spec: EndpointSpec | undefined): object => ({
  Mode: spec?.Mode ?? 'vip',
  Ports: spec?.Ports ?? [],
});

/** Tells for one version of a service which tasks a rolling update has to replace (swarm-compat §4.7, first row). */
export class DirtyCheck {
  readonly #service: Service;
  /** Tasks of one spec version were made from one spec: it is compared once. */
  readonly #differences = new Map<number, SpecDifference>();
  #constraints: readonly Constraint[] | undefined;

  constructor(service: Service) {
    this.#service = service;
  }

  /** `node` is the task's, if it has one that still exists. */
  isDirty(task: Task, node: Node | undefined): boolean {
    if (task.specVersion === this.#service.specVersion) return false;
    let difference = this.#differences.get(task.specVersion);
    if (difference === undefined) {
      difference = specDifference(this.#service, task);
      this.#differences.set(task.specVersion, difference);
    }
    if (difference.rest || (difference.registryAuth && !isPastPull(task))) return true;
    return difference.placement && !(node !== undefined && this.#fits(node));
  }

  /** What nobody can tell of a node is no reason to end what runs there. */
  #fits(node: Node): boolean {
    if (flawOf(node) !== undefined) return true;
    this.#constraints ??= parseConstraints(
      this.#service.spec.TaskTemplate.Placement?.Constraints ?? [],
    );
    return nodeMatches(this.#constraints, node);
  }
}

/** Its image is there: other registry credentials make no difference to it. */
const isPastPull = (task: Task): boolean =>
  isWanted(task.desired) &&
  taskStateRank[task.status.state] >= taskStateRank.ready &&
  taskStateRank[task.status.state] <= taskStateRank.running;

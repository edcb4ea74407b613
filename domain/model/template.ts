import type { Service, Task } from './objects.ts';

const shared = ['spec', 'serviceName', 'serviceLabels', 'endpoint'] as const;

/** What all tasks of one version of a service have in common. It is stored and sent once, not with each of them. */
export type Template = Pick<Task, 'serviceId' | 'specVersion' | (typeof shared)[number]>;
/** What is a task's own. */
export type OwnPart<T extends Partial<Task> = Task> = Omit<T, (typeof shared)[number]>;

export const templateKey = (task: Pick<Task, 'serviceId' | 'specVersion'>): string =>
  `${task.serviceId}.${task.specVersion}`;

export const templateOf = (task: Omit<Task, 'meta'>): Template => ({
  serviceId: task.serviceId,
  specVersion: task.specVersion,
  spec: task.spec,
  serviceName: task.serviceName,
  serviceLabels: task.serviceLabels,
  ...(task.endpoint !== undefined && { endpoint: task.endpoint }),
});

/** Of new tasks of the service. */
export const templateFrom = ({ id, spec, specVersion }: Omit<Service, 'meta'>): Template => ({
  serviceId: id,
  specVersion,
  spec: spec.TaskTemplate,
  serviceName: spec.Name,
  serviceLabels: spec.Labels,
  ...(spec.EndpointSpec !== undefined && { endpoint: spec.EndpointSpec }),
});

export function ownPartOf<T extends Omit<Task, 'meta'>>(task: T): OwnPart<T> {
  const { spec: _spec, serviceName: _name, serviceLabels: _labels, endpoint: _end, ...own } = task;
  return own;
}

/** The whole task again. */
export const taskFrom = (own: OwnPart, template: Template): Task => ({ ...own, ...template });

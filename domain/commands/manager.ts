import { Fault } from '../errors.ts';
import { levelBefore, levelOf, levelText } from '../format/levels.ts';
import { limits } from '../limits.ts';
import { isStart } from '../members/starts.ts';
import type { ManagerPlace, Node } from '../model/objects.ts';
import { patchNode } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { Body } from './body.ts';
import type { Command } from './command.ts';
import { notFound } from './faults.ts';

/** `host:port`; IPv6 in brackets. */
const endpoint = /^(\[[0-9a-f:.]{2,45}\]|[0-9A-Za-z.-]{1,253}):\d{1,5}$/;

function managerOf(view: View, id: string): Node {
  const node = view.node(id);
  if (node === undefined) throw notFound('node', id);
  if (node.role !== 'manager' || node.spec.Role !== 'manager')
    throw new Fault('PermissionDenied', `node ${id} is not to be a manager`);
  return node;
}

/**
 * `{nodeId, addr, bus, route, featureLevel?}` → `{}`: a manager tells where it is, and which level it can. Until `manager.seated` it does not count; one that
 * is seated only has its addresses changed.
 */
export const managerEnroll: Command = {
  decide(view, _ctx, input) {
    const body = new Body('manager.enroll', input);
    const node = managerOf(view, body.text('nodeId'));
    const [addr, bus, route] = ['addr', 'bus', 'route'].map((name) => {
      const text = body.text(name);
      if (!endpoint.test(text))
        throw new Fault('InvalidArgument', `manager.enroll: "${name}" must be host:port`);
      return text;
    }) as [string, string, string];
    const featureLevel = levelTold(view, body.raw('featureLevel'));
    const had = node.manager;
    const isKnown = had?.addr === addr && had.bus === bus && had.route === route;
    if (isKnown && levelOf(had) === featureLevel) return { changes: [], result: {} };
    const told = { addr, bus, route, ...(featureLevel > levelBefore && { featureLevel }) };
    const place =
      had === undefined
        ? { ...told, joining: true as const, reachability: 'unknown' as const }
        : { ...withoutLevel(had), ...told };
    return { changes: [patchNode(node.id, { manager: place })], result: {} };
  },
};

/** One that is below the cluster's level could not read the log. */
function levelTold(view: View, given: unknown = levelBefore): number {
  if (!Number.isSafeInteger(given) || Number(given) < levelBefore)
    throw new Fault('InvalidArgument', 'manager.enroll: "featureLevel" must be a whole number');
  const level = Number(given);
  const needed = levelOf(view.cluster());
  if (level < needed)
    throw new Fault('FailedPrecondition', `${levelText(needed, level)}: install a newer one`);
  return level;
}

function withoutLevel(had: ManagerPlace): ManagerPlace {
  const { featureLevel: _, ...place } = had;
  return place;
}

/** `{nodeId}` → `{}`: the manager has the state and follows the log; from here on it counts. */
export const managerSeated: Command = {
  decide(view, _ctx, input) {
    const node = managerOf(view, new Body('manager.seated', input).text('nodeId'));
    const { manager } = node;
    if (manager === undefined)
      throw new Fault('FailedPrecondition', `node ${node.id} has not told where it is`);
    if (manager.joining === undefined) return { changes: [], result: {} };
    const { joining: _, ...rest } = manager;
    return {
      changes: [patchNode(node.id, { manager: { ...rest, reachability: 'reachable' } })],
      result: {},
    };
  },
};

/**
 * `{nodeId, number, id, notice?}` → `{}`: a manager has started its server, for the `number`th time. One start more or less is
 * no news; the notice is what people must know of this manager from then on.
 */
export const managerStarted: Command = {
  decide(view, _ctx, input) {
    const body = new Body('manager.started', input);
    const node = managerOf(view, body.text('nodeId'));
    const start = { number: body.raw('number') as number, id: body.text('id') };
    if (!isStart(start))
      throw new Fault('InvalidArgument', 'manager.started: "number" and "id" must name a start');
    const notice = body.text('notice').slice(0, limits.statusTextLengthMax);
    const { manager } = node;
    if (manager === undefined)
      throw new Fault('FailedPrecondition', `node ${node.id} has not told where it is`);
    const { start: before, notice: said = '', ...rest } = manager;
    if (before?.number === start.number && before.id === start.id && said === notice)
      return { changes: [], result: {} };
    const place = { ...rest, start, ...(notice !== '' && { notice }) };
    return { changes: [patchNode(node.id, { manager: place })], result: {} };
  },
};
